//! Selection in slices beside what a plain look at every series gives.

use std::collections::BTreeSet;

use super::*;
use crate::{
    engine::{Options, Shard},
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest},
};

const START: i64 = 1_700_000_000_000;
const STEP: i64 = 15_000;

fn shard() -> Shard {
    Shard::new(0, Options { series_per_tenant: 1 << 20, window_ms: 600_000, ..Options::default() })
}

fn write(shard: &mut Shard, series: &[(Labels, Vec<Sample>)]) {
    let mut encoder = Encoder::new(Protocol::V1);
    series.iter().for_each(|(labels, samples)| encoder.series(labels, samples));
    let request = Arc::new(WriteRequest::decode(Protocol::V1, encoder.body(), &Limits::default()).unwrap());
    let received = series.iter().flat_map(|(_, samples)| samples.last()).map(|sample| sample.at).max().unwrap();
    let report = shard.write(&TenantId::default(), &request, 0..request.series().len(), received, &mut |_| {});
    assert_eq!(report.refused.values().sum::<u64>(), 0);
}

/// A host's series of a metric, with samples at two times.
fn series(metric: &str, host: usize, at: i64) -> (Labels, Vec<Sample>) {
    let host_name = format!("host-{host}");
    let labels = [
        ("__name__", metric),
        ("cpu", if host.is_multiple_of(3) { "" } else { "1" }),
        ("host", &host_name),
        ("job", ["a", "b"][host % 2]),
    ];
    let samples = [at, at + STEP].map(|at| Sample { at, value: host as f64 });
    (Labels::from_pairs(labels), samples.to_vec())
}

fn matcher(text: &str) -> Vec<Matcher> {
    crate::promql::parse_selector(text).unwrap().remove(0)
}

fn question(text: &str) -> Question {
    Question {
        tenant: TenantId::default(),
        matchers: matcher(text),
        after: START - 1,
        until: i64::MAX,
        wants_labels_only: false,
    }
}

/// Slices it took to find, and to read, with all that was read.
fn slices(shard: &Shard, search: &mut Search) -> (usize, usize, Vec<Excerpt>) {
    let (mut finds, mut reads, mut all) = (1, 0, Vec::new());
    while shard.find(search) {
        search.prepare();
        finds += 1;
    }
    loop {
        reads += 1;
        let (part, has_more) = shard.read(search);
        assert!(part.len() <= READ_SERIES);
        all.extend(part);
        if !has_more {
            return (finds, reads, all);
        }
    }
}

#[test]
fn every_way_through_the_index_gives_what_a_plain_look_gives() {
    let mut shard = shard();
    let all: Vec<_> = (0..300).flat_map(|host| ["up", "load"].map(|metric| series(metric, host, START))).collect();
    write(&mut shard, &all);
    for text in [
        "up",
        r#"up{job="a",host="host-4"}"#,
        r#"up{job="b",host="host-4"}"#,
        r#"{job="a",cpu="1"}"#,
        r#"{job="a",cpu=""}"#,
        r#"up{cpu!="1"}"#,
        r#"{job="a",host=~"host-1|host-2|host-4|none"}"#,
        r#"{host=~"host-1|host-2"}"#,
        r#"{host=~"host-[0-9]"}"#,
        r#"{host=~"host-.*5",job!~"a"}"#,
        r#"{__name__=~"u.|lo.*",host="host-7"}"#,
        r#"{cpu=~"1|",job=~".+"}"#,
        r#"{nothing="x"}"#,
        r#"{nothing=~"x|y"}"#,
        r#"{nothing=~"x.+"}"#,
        r#"up{nothing!="x",job="b"}"#,
    ] {
        let question = question(text);
        let accepts =
            |labels: &Labels| question.matchers.iter().all(|m| m.accepts(labels.get(&m.name).unwrap_or_default()));
        let wanted: BTreeSet<Labels> = all.iter().map(|(labels, _)| labels.clone()).filter(accepts).collect();
        let found = shard.select(&question);
        assert_eq!(found.len(), wanted.len(), "each once: {text}");
        assert!(found.iter().all(|(_, samples)| samples.len() == 2));
        assert_eq!(found.into_iter().map(|(labels, _)| labels).collect::<BTreeSet<_>>(), wanted, "{text}");
    }
}

#[test]
fn slices_are_bounded_and_lose_nothing() {
    let mut shard = shard();
    let count = 9_000;
    let hosts: Vec<_> = (0..count).map(|host| series("up", host, START)).collect();
    hosts.chunks(3_000).for_each(|part| write(&mut shard, part));
    for text in ["up", r#"{host!=""}"#, r#"{host=~"host-.+"}"#, r#"{job=~"a|b"}"#] {
        let mut search = Search::new(Arc::new(question(text)));
        let (finds, reads, all) = slices(&shard, &mut search);
        assert!(finds > count / (FIND_WORK / LOOK), "{text} was found in {finds} slices");
        assert!(reads > count / READ_SERIES, "{text} was read in {reads} slices");
        assert_eq!((search.found(), all.len()), (count, count), "{text}");
        assert_eq!(all.iter().map(Excerpt::labels).collect::<BTreeSet<_>>().len(), count, "{text}");
    }
    // What a narrow question costs does not depend on how many there are.
    let mut narrow = Search::new(Arc::new(question(r#"up{job="a",host="host-8998"}"#)));
    let (finds, reads, all) = slices(&shard, &mut narrow);
    assert_eq!((finds, reads, all.len()), (1, 1, 1));
}

#[test]
fn what_goes_or_comes_between_slices_never_has_wrong_labels() {
    let mut shard = shard();
    let hosts: Vec<_> = (0..700).map(|host| series("up", host, START)).collect();
    write(&mut shard, &hosts);
    let mut search = Search::new(Arc::new(question("up")));
    while shard.find(&mut search) {
        search.prepare();
    }
    assert_eq!(search.found(), 700);
    let (first, has_more) = shard.read(&mut search);
    assert!(has_more && first.len() == READ_SERIES);
    // All of them leave the window, and others take their slots.
    let later: Vec<_> = (0..700).map(|host| series("down", host, START + 1_200_000)).collect();
    write(&mut shard, &later);
    write(&mut shard, &later[..1]);
    let (rest, has_more) = shard.read(&mut search);
    assert!(!has_more);
    assert!(first.iter().chain(&rest).all(|one| one.labels().metric() == "up"), "{rest:?}");
    assert!(rest.len() < 700 - READ_SERIES, "they are gone: {}", rest.len());
    assert!(first.iter().all(|one| one.samples().count() == 2), "what was copied stays");
}

#[test]
fn answers_are_found_by_the_labels_of_their_source() {
    let mut shard = shard();
    let labels = Labels::from_pairs([("__name__", "load"), ("metric", "own"), ("host", "a")]);
    let samples: Vec<_> = (0..400).map(|n| Sample { at: START + n * STEP, value: (n as f64 * 0.7).sin() }).collect();
    write(&mut shard, &[(labels, samples), series("load", 1, START + 398 * STEP)]);
    for (text, count) in [
        ("vigie_anomaly_score", 1),
        (r#"vigie_anomaly_score{metric="load"}"#, 1),
        (r#"vigie_anomaly_score{metric="own"}"#, 0),
        (r#"vigie_anomaly_score{exported_metric="own"}"#, 1),
        (r#"vigie_anomaly_score{exported_metric!="own",host="a"}"#, 0),
        (r#"{__name__=~"vigie_(lower|upper)",host="a"}"#, 2),
        (r#"{host="a"}"#, 1),
    ] {
        let found = shard.select(&question(text));
        assert_eq!(found.len(), count, "{text}: {found:?}");
        let asked = matcher(text);
        let accepts = |labels: &Labels| asked.iter().all(|m| m.accepts(labels.get(&m.name).unwrap_or_default()));
        assert!(found.iter().all(|(labels, _)| accepts(labels)), "{found:?}");
    }
    let (values, next) = shard.terms(&TenantId::default(), Some("host"), None);
    assert_eq!((values.iter().map(|value| &**value).collect::<Vec<_>>(), next), (vec!["a", "host-1"], None));
}
