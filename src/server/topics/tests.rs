use super::*;
use crate::signal::{Labels, TimestampMs};

const MINUTE: TimestampMs = 60_000;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn source(service: &str) -> Labels {
    Labels::from_pairs([("service", service)])
}

fn rows(service: &str, texts: &[&str]) -> Vec<TemplateRow> {
    let row = |(i, text): (usize, &&str)| TemplateRow {
        id: format!("{:016x}", i + 1),
        source: source(service),
        text: (*text).to_owned(),
        lines: 1_000 - i as u64,
        first: i as i64,
        last: 1_000 + i as i64,
        severity: Severity::from_word(if i == 1 { "error" } else { "info" }),
        example: String::new(),
        parameters: Vec::new(),
    };
    texts.iter().enumerate().map(row).collect()
}

const CART: [&str; 4] = ["order <*> paid", "order <*> not paid", "disk <*> is full", "disk <*> is nearly full"];

#[test]
fn topics_add_up_and_are_the_tenants_own() {
    let (topics, shop) = (Topics::default(), tenant("shop"));
    let rows = [rows("cart", &CART), rows("mail", &CART)].concat();
    let told = topics.of(&shop, &rows, 0);
    let shown: Vec<_> = told.iter().map(|topic| (&*topic.name, topic.lines, &*topic.rows)).collect();
    assert_eq!(
        shown,
        [
            ("order paid", 1_999, &[0, 1][..]),
            ("order paid", 1_999, &[4, 5]),
            ("disk full", 1_995, &[2, 3]),
            ("disk full", 1_995, &[6, 7])
        ]
    );
    let first = &told[0];
    assert_eq!((first.first, first.last, first.severity), (0, 1_001, Severity::from_word("error")));
    assert_eq!(told.iter().map(Told::id).collect::<std::collections::HashSet<_>>().len(), 4);
    assert_eq!(topics.figures().0, 4);
    #[cfg(feature = "search")]
    {
        let id = u64::from_str_radix(&first.id(), 16).unwrap();
        let (of, found) = topics.find(&shop, id).unwrap();
        assert_eq!((of, found.templates.len()), (source("cart"), 2));
        assert!(topics.find(&tenant("other"), id).is_none() && topics.find(&shop, 1).is_none());
    }
    let mail = SourceRow { tenant: shop.clone(), source: source("mail"), size: (4, 4) };
    topics.forget_all_but(&[mail]);
    assert_eq!(topics.figures().0, 2);
    topics.forget_all_but(&[]);
    assert_eq!(topics.figures().0, 0);
}

#[test]
fn many_templates_are_not_looked_through_while_somebody_waits() {
    let (topics, shop) = (Topics::default(), tenant("shop"));
    let texts: Vec<String> = (0..501).map(|i| format!("order {}", "x".repeat(i % 30 + 1))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let many = rows("cart", &texts);
    assert!(topics.of(&shop, &many, 0).is_empty());
    topics.renew(&shop, &source("cart"), &many, Some((501, 501)), 0);
    assert!(!topics.of(&shop, &many, 0).is_empty());
    let five: Vec<_> = ["a", "b", "c", "d", "e"].iter().flat_map(|service| rows(service, &texts[..450])).collect();
    let told = topics.of(&tenant("other"), &five, 0);
    let of = |service| told.iter().filter(|topic| topic.source == source(service)).count();
    assert!(of("d") > 0 && of("e") == 0);
}

#[test]
fn topics_follow_templates_after_a_while_and_growth_at_once() {
    let (topics, shop) = (Topics::default(), tenant("shop"));
    let row = |size| SourceRow { tenant: shop.clone(), source: source("cart"), size };
    assert!(topics.is_due(&row((1, 1)), 0) && !topics.is_due(&row((0, 0)), 0));
    let found = topics.renew(&shop, &source("cart"), &rows("cart", &CART), Some((8, 9)), 0);
    assert!(!topics.is_due(&row((8, 9)), 60 * MINUTE), "nothing is new");
    assert!(!topics.is_due(&row((9, 10)), MINUTE) && topics.is_due(&row((9, 10)), 10 * MINUTE));
    assert!(topics.is_due(&row((8, 10)), 10 * MINUTE), "one came, two became one");
    assert!(topics.is_due(&row((10, 11)), MINUTE), "a quarter more");
    // Somebody who waited meanwhile is given what was found.
    let again = topics.renew(&shop, &source("cart"), &[], None, MINUTE);
    assert!(std::sync::Arc::ptr_eq(&found, &again));
    // What is found without knowing how many there are is looked at again.
    topics.renew(&tenant("other"), &source("cart"), &rows("cart", &CART), None, 0);
    let other = SourceRow { tenant: tenant("other"), source: source("cart"), size: (4, 4) };
    assert!(!topics.is_due(&other, MINUTE) && topics.is_due(&other, 10 * MINUTE));
}

#[test]
fn what_came_since_is_in_no_topic_and_what_went_is_passed_over() {
    let (topics, shop) = (Topics::default(), tenant("shop"));
    topics.of(&shop, &rows("cart", &CART[..3]), 0);
    let mut now = rows("cart", &CART);
    now.remove(0);
    let told = topics.of(&shop, &now, 0);
    let in_topics: usize = told.iter().map(|topic| topic.rows.len()).sum();
    assert_eq!((in_topics, told.iter().map(|topic| topic.lines).sum::<u64>()), (2, 999 + 998));
    let ids: Vec<String> = told.iter().map(Told::id).collect();
    topics.renew(&shop, &source("cart"), &now, Some((3, 4)), 0);
    let later = topics.of(&shop, &now, 0);
    assert!(ids.iter().all(|id| later.iter().any(|topic| topic.id() == *id)), "they go on");
    assert_eq!(later.iter().map(|topic| topic.rows.len()).sum::<usize>(), 3);
}
