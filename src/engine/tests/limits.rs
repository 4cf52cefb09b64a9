//! Limits of series: what is refused, what goes on, and that all of it comes back with the state.

use super::*;

fn write(engine: &mut Engine, tenant: &str, i: i64, instances: std::ops::Range<usize>) -> WriteReport {
    let names: Vec<Labels> = instances.map(|n| labels("up", &format!("host-{n}"))).collect();
    let samples: Vec<_> = names.iter().map(|name| (name, 1.0)).collect();
    engine.write(&TenantId::parse(tenant).unwrap(), &request(at(i), &samples), at(i), &mut |_| {})
}

fn ceiling(engine: &mut Engine, most: Option<u64>) {
    assert!(engine.tell(&TenantId::default(), &Command::Ceiling(most)).is_none());
}

#[test]
fn a_tenant_at_its_limit_keeps_what_it_has_and_others_do_not_notice() {
    let mut engine = Engine::new(Options { series_per_tenant: 10, ..Options::default() });
    let report = write(&mut engine, "flood", 0, 0..1_000);
    assert_eq!((report.samples, &report.refused), (10, &[(Refusal::SeriesLimit, 990)].into()));
    assert_eq!(report.reasons.len(), 5, "examples, not all of them: {:?}", report.reasons);
    assert!(report.reasons[0].contains("up{instance=\"host-10\",job=\"shop\"}"), "{:?}", report.reasons);
    assert_eq!(write(&mut engine, "quiet", 0, 0..10).rejected(), 0);
    // Sent again, and with the next sample.
    for i in [0, 1] {
        let report = write(&mut engine, "flood", i, 5..15);
        assert_eq!((report.samples, report.rejected()), (5, 5));
    }
}

#[test]
fn slots_of_series_that_left_are_taken_again() {
    let mut engine = Engine::new(Options { series_per_tenant: 10, ..Options::default() });
    write(&mut engine, "shop", 0, 0..10);
    let later = 3 * 240;
    assert_eq!(write(&mut engine, "shop", later - 480, 0..3).rejected(), 0);
    // All of it is new. It brings the time, at which those without samples leave the window.
    assert_eq!(write(&mut engine, "shop", later - 239, 10..22).rejected(), 12);
    assert_eq!(write(&mut engine, "shop", later - 238, 10..22).rejected(), 5);
    let found = |engine: &Engine, matcher: Matcher| {
        let found = engine.select(&TenantId::parse("shop").unwrap(), &[matcher], START - 1, at(later));
        found.into_iter().map(|(labels, _)| labels.get("instance").unwrap().to_owned()).collect::<Vec<_>>()
    };
    let job = || Matcher::equal("job", "shop");
    let mut left = found(&engine, job());
    left.sort();
    let expected = ["0", "1", "10", "11", "12", "13", "14", "15", "16", "2"].map(|n| format!("host-{n}"));
    assert_eq!(left, expected);
    assert_eq!(found(&engine, Matcher::equal("instance", "host-16")), ["host-16"]);
    assert_eq!(found(&engine, Matcher::equal("instance", "host-5")), [""; 0]);
}

#[test]
fn a_ceiling_holds_for_all_tenants_until_it_is_lifted_and_across_a_restart() {
    let options = Options::default();
    let mut engine = Engine::new(options.clone());
    assert_eq!(write(&mut engine, "large", 0, 0..20).rejected(), 0);
    ceiling(&mut engine, Some(8));
    for restarted in [false, true] {
        if restarted {
            engine = Engine::restore(&options, engine.snapshot().unwrap().decode().unwrap());
        }
        let i = 1 + i64::from(restarted);
        let report = write(&mut engine, "large", i, 10..30);
        assert_eq!((report.samples, &report.refused), (10, &[(Refusal::MemoryLimit, 10)].into()), "{restarted}");
        let report = write(&mut engine, if restarted { "new" } else { "small" }, i, 0..9);
        assert_eq!((report.samples, &report.refused), (8, &[(Refusal::MemoryLimit, 1)].into()), "{restarted}");
    }
    ceiling(&mut engine, None);
    assert_eq!(write(&mut engine, "large", 3, 0..30).rejected(), 0);
}
