use super::*;

const LINES: [&str; 9] = [
    "INFO sshd: session opened for user <*>",
    "INFO sshd: session closed for user <*>",
    "INFO sshd: session of user <*> resumed",
    "ERROR kernel: out of memory, killed process <*>",
    "WARN kernel: memory is low, process <*> may be killed",
    "INFO cron: job <*> started",
    "INFO cron: job <*> ended after <*> s",
    "INFO disk <*> scrubbed",
    "xyzzy",
];

fn shop() -> Vec<Template<'static>> {
    let row = |(i, text): (usize, &'static str)| Template {
        id: TemplateId(100 + i as u64),
        text,
        lines: if i == 8 { 1 } else { 90 - 10 * i as u64 },
        first: 1_000 - i as i64,
    };
    LINES.into_iter().enumerate().map(row).collect()
}

fn told(topics: &[Topic]) -> Vec<(&str, Vec<u64>)> {
    topics.iter().map(|topic| (&*topic.name, topic.templates.iter().map(|id| id.0 - 100).collect())).collect()
}

#[test]
fn templates_about_the_same_are_a_topic_with_a_name() {
    let topics = topics(7, &shop(), &[]);
    let expected = [
        ("sshd session user", vec![0, 1, 2]),
        ("kernel memory killed", vec![3, 4]),
        ("cron job started", vec![5, 6]),
        ("disk scrubbed", vec![7]),
        ("other", vec![8]),
    ];
    assert_eq!(told(&topics), expected);
    let ids: HashSet<_> = topics.iter().map(|topic| topic.id).collect();
    assert_eq!(ids.len(), topics.len());
}

#[test]
fn the_order_of_templates_is_of_no_matter_and_sources_have_ids_of_their_own() {
    let mut turned = shop();
    turned.reverse();
    turned.rotate_left(4);
    let first = topics(7, &shop(), &[]);
    assert_eq!(topics(7, &turned, &[]), first);
    let elsewhere = topics(8, &shop(), &[]);
    assert_eq!(told(&elsewhere), told(&first));
    assert!(elsewhere.iter().zip(&first).all(|(a, b)| a.id != b.id));
}

#[test]
fn a_few_templates_are_a_few_topics() {
    assert_eq!(topics(7, &[], &[]), []);
    let all = shop();
    assert_eq!(told(&topics(7, &all[..1], &[])), [("sshd session opened", vec![0])]);
    assert_eq!(told(&topics(7, &all[7..], &[])).len(), 2);
    // Both say the same: nothing sets them apart.
    let same = [all[0], Template { id: TemplateId(101), ..all[0] }];
    assert_eq!(told(&topics(7, &same, &[])), [("sshd session opened", vec![0, 1])]);
}

#[test]
fn a_topic_goes_on_when_templates_come_and_go() {
    let before = topics(7, &shop(), &[]);
    // The oldest template of the sessions is forgotten, one older than all is new.
    let mut later = shop();
    later.retain(|template| template.id.0 != 102);
    let text = "INFO cron: job <*> was started late";
    later.push(Template { id: TemplateId(1), text, lines: 5, first: 1 });
    let after = topics(7, &later, &before);
    let id = |topics: &[Topic], name: &str| topics.iter().find(|topic| topic.name == name).unwrap().id;
    assert_eq!(id(&after, "sshd session user"), id(&before, "sshd session user"));
    assert_eq!(id(&after, "cron job started"), id(&before, "cron job started"));
    let fresh = topics(7, &later, &[]);
    assert_ne!(id(&fresh, "sshd session user"), id(&before, "sshd session user"));
}

#[test]
fn no_two_topics_go_on_as_one() {
    let all = shop();
    let one = Topic { id: 42, name: "all".into(), templates: all.iter().map(|template| template.id).collect() };
    let after = topics(7, &all, &[one]);
    assert_eq!(after.iter().filter(|topic| topic.id == 42).count(), 1);
    assert_eq!(after[0].id, 42, "the one with most of its lines");
    assert_eq!(after.iter().map(|topic| topic.id).collect::<HashSet<_>>().len(), after.len());
    // Its templates once made topics that go on elsewhere.
    let hash = |id: u64| xxh3_64_with_seed(&id.to_le_bytes(), 7);
    let lone = |template: &Template<'_>, id| Topic { id, name: String::new(), templates: vec![template.id] };
    let taken = [lone(&all[0], hash(107)), lone(&all[3], hash(103))];
    let after = topics(7, &all, &taken);
    let ids: Vec<_> = after.iter().map(|topic| topic.id).collect();
    assert_eq!(ids[..2], [hash(107), hash(103)]);
    assert_eq!(ids[3], hash(0), "neither its own is free");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), after.len());
}

#[test]
fn very_many_templates_are_a_few_dozen_topics() {
    let mut words = (0_u64..).map(|i| {
        let hash = xxh3_64_with_seed(&i.to_le_bytes(), 1);
        hash.to_le_bytes().map(|byte| char::from(b'a' + byte % 26)).iter().collect::<String>()
    });
    let themes: Vec<String> = words.by_ref().take(60).collect();
    let texts: Vec<String> = (0..6_000)
        .map(|i| format!("INFO {} {} {}", themes[i % 30], themes[30 + i % 30], words.next().unwrap_or_default()))
        .collect();
    let templates: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| Template { id: TemplateId(i as u64), text, lines: 10_000 - i as u64, first: i as i64 })
        .collect();
    let topics = topics(7, &templates, &[]);
    let sizes: Vec<_> = topics.iter().map(|topic| topic.templates.len()).collect();
    assert_eq!(sizes, [200; 30], "a topic for each theme, also of templates with few lines");
    assert!(topics.iter().all(|topic| topic.templates.iter().all(|id| id.0 % 30 == topic.templates[0].0 % 30)));
}

/// Public logs of nine systems, where they are.
#[test]
fn real_services_have_a_few_dozen_topics_of_what_belongs_together() {
    let sets = std::path::Path::new("../shared/datasets/loghub");
    if !sets.exists() {
        eprintln!("skipped: no public log sets beside this folder");
        return;
    }
    for (system, together) in [
        ("Android", ["acquire lock=", "release:lock="]),
        ("Apache", ["[Sun <*>] [error] mod_jk", "[Mon <*>] [error] mod_jk"]),
        ("BGL", ["instruction cache parity error corrected", "data cache search parity error"]),
        ("HDFS", ["Receiving block", "Got exception while serving"]),
        ("Hadoop", ["Task Transitioned from NEW to SCHEDULED", "Task Transitioned from SCHEDULED to RUNNING"]),
        ("Linux", ["session opened for user", "session closed for user"]),
        ("OpenSSH", ["Failed password for <*> from", "Failed password for invalid user"]),
        ("Proxifier", ["open through proxy", "chrome.exe *<*> - <*> open through"]),
        ("Zookeeper", ["Interrupting SendWorker", "Send worker leaving thread"]),
    ] {
        let text = std::fs::read(sets.join(format!("{system}/{system}_2k.log"))).unwrap();
        let mut parser = crate::logs::Parser::default();
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| _ = parser.parse(line));
        let catalogue = parser.catalogue();
        let texts: Vec<_> = catalogue.counts().map(|(number, _)| catalogue.text(number)).collect();
        let rows = catalogue.counts().zip(&texts).enumerate();
        let rows = rows.map(|(i, ((number, lines), text))| Template {
            id: catalogue.id(number),
            text,
            lines,
            first: i as i64,
        });
        let rows: Vec<_> = rows.collect();
        let found = topics(7, &rows, &[]);
        assert!((2..=40).contains(&found.len()), "{system}: {}", found.len());
        let all: HashSet<_> = found.iter().flat_map(|topic| &topic.templates).collect();
        assert_eq!((all.len(), found.iter().map(|topic| topic.templates.len()).sum()), (rows.len(), rows.len()));
        let names: HashSet<_> = found.iter().map(|topic| &topic.name).collect();
        assert_eq!(names.len(), found.len(), "{system}: {names:?}");
        let largest = found.iter().map(|topic| topic.templates.len()).max().unwrap();
        assert!(largest * 5 <= rows.len() * 2, "{system}: {largest} of {} are one", rows.len());
        let topic_of = |part: &str| {
            let row = rows.iter().find(|row| row.text.contains(part)).unwrap_or_else(|| panic!("{system}: {part}"));
            found.iter().position(|topic| topic.templates.contains(&row.id)).unwrap()
        };
        let [a, b] = together.map(topic_of);
        assert!(a == b && found[a].name != OTHER, "{system}: {} and {}", found[a].name, found[b].name);
    }
}
