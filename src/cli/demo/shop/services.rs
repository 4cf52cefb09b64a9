//! The shop's services: who calls whom, how often and at what price.
//!
//! ```text
//!                ┌─▶ search
//! customers ─▶ frontend ─▶ catalogue          catalogue, cart, checkout, payment ─▶ postgres
//!                ├─▶ cart ◀──┐                frontend, catalogue, cart          ─▶ redis
//!                └─▶ checkout ─▶ payment ─▶ (the bank)
//! ```

/// Place of a service in [`SERVICES`], which lists callees before callers.
pub(in crate::cli::demo) const PAYMENT: usize = 0;
pub(super) const SEARCH: usize = 1;
pub(super) const CATALOGUE: usize = 2;
pub(in crate::cli::demo) const CART: usize = 3;
pub(super) const CHECKOUT: usize = 4;

/// Methods that a service answers; an index into its routes.
pub(super) const METHODS: [&str; 2] = ["GET", "POST"];
pub(super) const GET: usize = 0;
pub(super) const POST: usize = 1;

/// A service as it was designed.
#[derive(Debug)]
pub(in crate::cli::demo) struct Service {
    pub(in crate::cli::demo) name: &'static str,
    pub(in crate::cli::demo) pods: usize,
    /// Cores that a pod may use.
    pub(super) cpu_limit: f64,
    /// What it does for a GET and for a POST.
    pub(super) routes: [Route; 2],
    /// Look-ups in the shared cache per request.
    pub(super) lookups: f64,
    pub(super) has_database: bool,
    pub(super) has_queue: bool,
}

/// What one kind of request costs.
#[derive(Debug)]
pub(super) struct Route {
    /// Requests per visit to the shop.
    pub(super) per_visit: f64,
    /// Median time that the service itself takes when idle, in seconds.
    pub(super) own_time: f64,
    /// CPU time, in seconds.
    pub(super) cpu: f64,
    /// Bytes sent as an answer.
    pub(super) answer: f64,
    /// Calls per request: service, method, number.
    pub(super) calls: &'static [(usize, usize, f64)],
}

const fn route(per_visit: f64, own_time: f64, cpu: f64, answer: f64, calls: &'static [(usize, usize, f64)]) -> Route {
    Route { per_visit, own_time, cpu, answer, calls }
}

/// All services, callees before callers.
pub(in crate::cli::demo) static SERVICES: [Service; 6] = [
    Service {
        name: "payment",
        pods: 2,
        cpu_limit: 0.5,
        routes: [route(0.05, 0.006, 0.004, 600.0, &[]), route(0.05, 0.12, 0.012, 900.0, &[])],
        lookups: 0.0,
        has_database: true,
        has_queue: false,
    },
    Service {
        name: "search",
        pods: 2,
        cpu_limit: 1.0,
        routes: [route(0.3, 0.03, 0.014, 12e3, &[]), route(0.005, 0.06, 0.03, 400.0, &[])],
        lookups: 0.0,
        has_database: false,
        has_queue: true,
    },
    Service {
        name: "catalogue",
        pods: 3,
        cpu_limit: 1.0,
        routes: [route(0.9, 0.008, 0.005, 18e3, &[]), route(0.01, 0.03, 0.01, 500.0, &[])],
        lookups: 1.0,
        has_database: true,
        has_queue: true,
    },
    Service {
        name: "cart",
        pods: 3,
        cpu_limit: 0.5,
        routes: [route(0.35, 0.005, 0.003, 2.5e3, &[]), route(0.2, 0.011, 0.004, 800.0, &[])],
        lookups: 1.2,
        has_database: true,
        has_queue: false,
    },
    Service {
        name: "checkout",
        pods: 3,
        cpu_limit: 0.5,
        routes: [
            route(0.08, 0.012, 0.006, 3e3, &[(PAYMENT, GET, 0.625)]),
            route(0.05, 0.035, 0.014, 1.2e3, &[(PAYMENT, POST, 1.0), (CART, GET, 1.0)]),
        ],
        lookups: 0.0,
        has_database: true,
        has_queue: true,
    },
    Service {
        name: "frontend",
        pods: 4,
        cpu_limit: 1.0,
        routes: [
            route(1.0, 0.015, 0.006, 45e3, &[(CATALOGUE, GET, 0.9), (SEARCH, GET, 0.3), (CART, GET, 0.3)]),
            route(0.2, 0.02, 0.008, 4e3, &[(CART, POST, 1.0), (CHECKOUT, POST, 0.25), (CHECKOUT, GET, 0.4)]),
        ],
        lookups: 0.8,
        has_database: false,
        has_queue: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const FRONTEND: usize = 5;

    #[test]
    fn the_indices_name_their_services_and_calls_go_downwards() {
        let named = [(PAYMENT, "payment"), (SEARCH, "search"), (CATALOGUE, "catalogue"), (CART, "cart")];
        for (index, name) in named.into_iter().chain([(CHECKOUT, "checkout"), (FRONTEND, "frontend")]) {
            assert_eq!(SERVICES[index].name, name);
        }
        for (caller, service) in SERVICES.iter().enumerate() {
            for (callee, ..) in service.routes.iter().flat_map(|route| route.calls) {
                assert!(*callee < caller, "{} calls upwards", service.name);
            }
        }
    }

    #[test]
    fn requests_answered_are_requests_sent() {
        // What employees and the nightly batch send comes from outside the shop, and so do the customers.
        let from_outside = [(SEARCH, POST), (CATALOGUE, POST), (FRONTEND, GET), (FRONTEND, POST)];
        for (index, service) in SERVICES.iter().enumerate() {
            for method in [GET, POST].into_iter().filter(|method| !from_outside.contains(&(index, *method))) {
                let routes = SERVICES.iter().flat_map(|caller| &caller.routes);
                let sent: f64 = routes
                    .flat_map(|route| route.calls.iter().map(|call| (call, route.per_visit)))
                    .filter(|((callee, by, _), _)| (*callee, *by) == (index, method))
                    .map(|((.., calls), per_visit)| calls * per_visit)
                    .sum();
                let answered = service.routes[method].per_visit;
                assert!((sent - answered).abs() < 1e-9, "{} {}: {sent}", service.name, METHODS[method]);
            }
        }
    }
}
