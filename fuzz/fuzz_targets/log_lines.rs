//! What becomes of lines, whatever they hold: the first is a pattern, the others are lines of one source.
#![no_main]

use vigie::logs::{Parser, family::family, parameters::Parameters, session_id::Habit, severity, traces::Trace};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut lines = text.split('\r');
    let pattern = lines.next().and_then(|text| text.parse().ok());
    let mut parser = Parser::new(pattern.into_iter().collect());
    let mut seen: Vec<(Parameters, Habit)> = Vec::new();
    let mut count = 0;
    for line in lines {
        count += 1;
        let number = parser.parse(line.as_bytes());
        let place = number as usize;
        if seen.len() <= place {
            seen.resize_with(place + 1, Default::default);
        }
        let (parameters, ids) = &mut seen[place];
        parser.look(line, number, parameters);
        assert!(parameters.summaries().all(|summary| summary.seen > 0 || summary.values.is_empty()));
        assert!(ids.find(line).is_none_or(|id| !id.is_empty() && line.contains(id)));
        let (_, _, _) = (severity(line), family(line), Trace::of(line).after(line));
    }
    let catalogue = parser.catalogue();
    assert_eq!(catalogue.counts().map(|(_, lines)| lines).sum::<u64>(), count);
    for (number, _) in catalogue.counts() {
        let id = catalogue.id(number);
        assert!(catalogue.ids_of(&[id]).contains(&id));
    }
});
