use std::sync::Arc;

use super::*;
use crate::{
    engine::{Engine, Options},
    ingest::remote_write::{Encoder, Limits, Protocol, WriteRequest},
    journal::Position,
    signal::{Labels, Sample},
};

fn place(dir: &Path) -> Place {
    Place { data_dir: Some(dir.to_owned()), tenant: TenantId::default() }
}

/// The state of a daemon that has trained forests of two metrics.
fn learnt() -> Snapshot {
    let mut engine = Engine::new(Options::default());
    let mut encoder = Encoder::new(Protocol::V1);
    for i in 0..6_000_i64 {
        for (number, metric) in ["first", "second"].iter().enumerate() {
            let labels = Labels::from_pairs([("__name__", *metric), ("job", "shop")]);
            let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&i.to_le_bytes(), number as u64);
            let sample = Sample {
                at: 1_700_000_000_000 + i * 15_000,
                value: -((hash >> 11) as f64 / (1_u64 << 53) as f64).ln(),
            };
            encoder.series(&labels, &[sample]);
        }
        let request = WriteRequest::decode(Protocol::V1, encoder.body(), &Limits::default()).unwrap();
        engine.write(&TenantId::default(), &Arc::new(request), 1_800_000_000_000, &mut |_| {});
        drop(encoder.finish());
    }
    engine.snapshot().unwrap()
}

fn listed(dir: &Path) -> ModelsView {
    let source = Source {
        place: place(dir),
        #[cfg(feature = "client")]
        url: None,
    };
    source.models().unwrap()
}

#[test]
fn forests_are_carried_from_one_state_to_another() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    journal::save(from.path(), Position::START, |writer| learnt().write(writer)).unwrap();
    let before = listed(from.path());
    let families: Vec<&str> = before.items.iter().map(|model| model.family.as_str()).collect();
    assert_eq!(families, ["first", "second"]);
    assert!(before.items.iter().all(|model| model.rows >= 64 && model.trained_at.is_some()), "{before:?}");
    let text = table::list(&before);
    assert!(text.contains("second") && text.contains("(prior") && text.contains("2 forests"), "{text}");
    assert!(table::one(&before.items[0]).contains("64 on"));

    let path = to.path().join("second.model");
    write(&path, &export(&place(from.path()), &["second".to_owned()]).unwrap()).unwrap();
    assert_eq!(import(&place(to.path()), &path).unwrap(), 1);
    let after = listed(to.path());
    assert_eq!((after.total, after.generation, after.items[0].generation), (1, 1, 1));
    assert_eq!(after.items[0].quality, before.items[1].quality);
    assert_eq!(after.items[0].trained_at, before.items[1].trained_at);
    let again = export(&place(to.path()), &[]).unwrap();
    assert_eq!(again.models.len(), 1);
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let error = export(&place(dir.path()), &[]).unwrap_err();
    assert!(error.to_string().contains("there is no state in"), "{error}");
    let path = dir.path().join("not.model");
    fs::write(&path, "up 1\n").unwrap();
    let error = format!("{:#}", import(&place(dir.path()), &path).unwrap_err());
    assert!(error.contains("not.model") && error.contains("no file of models"), "{error}");
    journal::save(dir.path(), Position::START, |writer| learnt().write(writer)).unwrap();
    let error = export(&place(dir.path()), &["third".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("\"third\""), "{error}");
}

#[cfg(feature = "demo")]
#[test]
fn the_same_seeds_give_the_same_prior_bit_for_bit() {
    let bytes = || {
        let prior = build::build(&[7], 2 * 3_600_000).unwrap();
        ModelFile::new(Vec::new(), Some(prior)).encode().unwrap()
    };
    assert_eq!(bytes(), bytes());
}
