//! Names and addresses of machines.

/// Machines in a cluster.
const MACHINES: usize = 200;
const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"];

/// Where a machine stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) cluster: String,
    pub(super) region: &'static str,
    pub(super) node: String,
    pub(super) address: String,
}

impl Place {
    /// The place of the machine with this number.
    pub(super) fn of(machine: usize) -> Self {
        let cluster = machine / MACHINES;
        let region = REGIONS[cluster % REGIONS.len()];
        Self {
            cluster: format!("{region}-{}", cluster / REGIONS.len()),
            region,
            node: format!("node-{machine:05}.{region}.internal"),
            address: format!("10.{}.{}.{}", machine / 65_536 % 64, machine / 256 % 256, machine % 256),
        }
    }
}
