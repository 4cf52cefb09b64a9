//! Where log lines are listened to: the entries of `logs.syslog` and `logs.forward`.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Logs, Problem};
use crate::signal::TenantId;

/// An entry of `logs.syslog`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogInput {
    /// Address and port.
    pub listen: SocketAddr,
    /// How messages come.
    #[serde(default)]
    pub protocol: Transport,
    /// Whose lines they are.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// What makes connections of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
}

/// How syslog messages come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// By connections.
    #[default]
    Tcp,
    /// Each in a datagram.
    Udp,
}

/// An entry of `logs.forward`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardInput {
    /// Address and port.
    pub listen: SocketAddr,
    /// Whose lines they are.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// What makes connections of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
}

/// Files in PEM that make connections of TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificate, with those between it and its root behind it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authority whose certificates senders must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// Patterns that the file may have; each is compared with each form of lines that is new.
const PATTERNS_MAX: usize = 200;

fn default_tenant() -> String {
    TenantId::default().as_str().to_owned()
}

/// All entries that cannot work.
pub(super) fn check(logs: &Logs) -> Vec<Problem> {
    let tenants = [
        ("logs.syslog", logs.syslog.iter().map(|entry| &entry.tenant).collect::<Vec<_>>()),
        ("logs.forward", logs.forward.iter().map(|entry| &entry.tenant).collect()),
    ];
    let tenants = tenants.into_iter().flat_map(|(list, tenants)| {
        tenants.into_iter().enumerate().filter_map(move |(at, tenant)| {
            let message = TenantId::parse(tenant).err()?.to_string();
            Some(Problem { key: format!("{list}[{at}].tenant").into(), message: format!("cannot be: {message}") })
        })
    });
    let datagrams = logs.syslog.iter().enumerate().filter(|(_, entry)| entry.protocol == Transport::Udp);
    let in_tls = datagrams.filter(|(_, entry)| entry.tls.is_some()).map(|(at, _)| Problem {
        key: format!("logs.syslog[{at}].tls").into(),
        message: "cannot be had by udp; use tcp or leave it out".into(),
    });
    let are_many = logs.patterns.len() > PATTERNS_MAX;
    let many = are_many.then(|| Problem {
        key: "logs.patterns".into(),
        message: format!("has {} patterns, more than {PATTERNS_MAX}", logs.patterns.len()),
    });
    tenants.chain(in_tls).chain(many).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, parse};

    fn read(text: &str) -> Result<Config, String> {
        parse(Path::new("vigie.yaml"), text, |_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_enough() {
        let logs = read("logs: {syslog: [{listen: 127.0.0.1:514}], forward: [{listen: '[::1]:24224'}]}").unwrap().logs;
        let SyslogInput { protocol, tenant, tls, .. } = &logs.syslog[0];
        assert_eq!((*protocol, tenant.as_str(), tls), (Transport::Tcp, "default", &None));
        assert_eq!((logs.forward[0].listen.port(), logs.forward[0].tenant.as_str()), (24224, "default"));
    }

    #[test]
    fn what_cannot_work_is_named_with_its_entry() {
        let syslog = |entry: &str| read(&format!("logs: {{syslog: [{entry}]}}")).unwrap_err();
        for (error, text) in [
            (syslog("{listen: 127.0.0.1:514, tenant: a/b}"), "logs.syslog[0].tenant cannot be: tenant name \"a/b\""),
            (
                syslog("{listen: 127.0.0.1:514, protocol: udp, tls: {cert: a, key: b}}"),
                "logs.syslog[0].tls cannot be had by udp",
            ),
            (syslog("{listen: 127.0.0.1:514, protocol: tls}"), "`tls` is not one of tcp, udp"),
            (syslog("{listen: 127.0.0.1:514, tls: {cert: a}}"), "key"),
            (syslog("{protocol: udp}"), "listen"),
            (read("logs: {forward: [{listen: ':24224'}]}").unwrap_err(), "invalid socket address"),
            (read("logs: {forward: [{listen: '[::]:1', tenant: ''}]}").unwrap_err(), "logs.forward[0].tenant"),
            (read("logs: {max_connections: 0}").unwrap_err(), "logs.max_connections must be at least 1"),
            (read("logs: {idle_timeout: 0s}").unwrap_err(), "logs.idle_timeout must be between"),
        ] {
            assert!(error.contains(text), "{error} should say {text}");
        }
    }
}
