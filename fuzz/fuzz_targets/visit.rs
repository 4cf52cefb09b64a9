//! Asks a decoded request for everything that the engine may ask for, and holds it to its promises.

use vigie::{
    ingest::remote_write::{Limits, Protocol, WriteRequest},
    signal::{Identity, Labels},
};

/// Decodes `body`, and if it is a request, visits all of it.
pub fn decode_and_visit(protocol: Protocol, body: &[u8]) {
    let Ok(request) = WriteRequest::decode(protocol, body.to_vec(), &Limits::default()) else { return };
    let mut newest = None;
    for entry in request.series() {
        let view = request.view(entry);
        let labels = Labels::from_pairs(view.labels());
        assert_eq!(labels.len(), view.labels().len(), "no duplicates, no empty values");
        assert_eq!(Identity::of(&labels), entry.identity, "identity is that of the labels");

        newest = newest.max(view.samples().map(|sample| sample.at).max());
        assert_eq!(view.samples().count(), entry.samples as usize);

        let histograms: Vec<_> = view.histograms().filter_map(Result::ok).collect();
        newest = newest.max(histograms.iter().map(|histogram| histogram.at).max());
        assert_eq!(histograms.len(), entry.histograms as usize);
        for (i, histogram) in histograms.iter().enumerate() {
            let before = &histograms[i.saturating_sub(1)];
            for histogram in [Some(histogram.clone()), histogram.since(before)].into_iter().flatten() {
                let quantiles = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0].map(|q| histogram.quantile(q));
                assert!(quantiles.iter().flatten().all(|value| !value.is_nan()), "{histogram:?}");
                assert!(quantiles.iter().flatten().is_sorted(), "{histogram:?}: {quantiles:?}");
                assert!(histogram.mean().is_none_or(|mean| !mean.is_nan()));
            }
        }
        view.kind();
    }
    assert_eq!(newest, request.max_timestamp());
    assert_eq!(request.accepted().series, request.series().len() as u64);
    for metadata in request.metadata() {
        assert!(!metadata.family.is_empty());
    }
    assert!(request.rejected().to_string().len() < 10_000);
}
