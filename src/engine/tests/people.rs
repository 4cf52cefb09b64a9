//! What people say: feedback, planned work, rules; and what newcomers inherit.

use super::*;
use crate::signal::{Command, Direction, Feedback, Maintenance, Matcher, Rule};

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440;

/// A CPU at rest with a nightly job from 02:00 on that grows a little from night to night; `fault` is added.
struct Nightly {
    run: Run,
    at: i64,
}

impl Nightly {
    fn new(options: Options) -> Self {
        // Some days before the first night, so that the series is known.
        Self { run: Run::new(options), at: 0 }
    }

    fn job(at: i64) -> f64 {
        let (day, minute) = (at / DAY, at % DAY);
        let is_on = day >= 3 && (120..145).contains(&minute);
        if is_on { 40.0 + 12.0 * (day - 3) as f64 } else { 0.0 }
    }

    /// Lives on until minute `until`.
    fn live(&mut self, until: i64, fault: impl Fn(i64) -> f64) {
        for minute in self.at..until {
            let value = 20.0 + 2.0 * noise(minute, 1) + Self::job(minute) + fault(minute);
            let name = labels("cpu", "host-1");
            self.run.write_at(minute * MINUTE, &[(&name, value)]);
        }
        self.at = until;
    }

    /// Findings raised in the day before now.
    fn last_night(&self) -> Vec<Finding> {
        let from = (self.at - DAY) * MINUTE;
        self.run.findings().into_iter().filter(|f| f.raised_at >= from && f.scope == FindingScope::Series).collect()
    }

    fn mark(&mut self, id: &str, feedback: Feedback) {
        let command = Command::Judge { id: id.to_owned(), feedback: Some(feedback) };
        let told = self.run.engine.tell(&self.run.tenant, &command).expect("the finding is known");
        assert_eq!(told.feedback, Some(feedback));
    }
}

#[test]
fn a_nightly_job_marked_twice_raises_nothing_the_third_time_and_other_faults_do() {
    let options = Options::default();
    let mut shop = Nightly::new(options.clone());
    shop.live(4 * DAY, |_| 0.0);
    let first = shop.last_night();
    assert_eq!(first.len(), 1, "the first night is told: {first:#?}");
    shop.mark(&first[0].id, Feedback::FalseAlarm);
    // The second night is not like the first: it goes on for twice as long.
    let longer = |minute: i64| if minute / DAY == 4 && (145..172).contains(&(minute % DAY)) { 52.0 } else { 0.0 };
    shop.live(5 * DAY, longer);
    let second = shop.last_night();
    assert_eq!(second.len(), 1, "it outgrew the first: {second:#?}");
    shop.mark(&second[0].id, Feedback::FalseAlarm);
    // Remembered across a restart.
    let snapshot = std::mem::replace(&mut shop.run.engine, Engine::new(Options::default())).snapshot().unwrap();
    shop.run.engine = Engine::restore(&Options { shards: 3, ..options }, snapshot.decode().unwrap());
    shop.live(6 * DAY, |_| 0.0);
    assert!(shop.last_night().is_empty(), "the third night: {:#?}", shop.last_night());
    // A fault of another shape on the same series: in the afternoon.
    let afternoon = |minute: i64| if minute % DAY >= 900 && minute % DAY < 925 { 200.0 } else { 0.0 };
    shop.live(7 * DAY, afternoon);
    let other = shop.last_night();
    assert_eq!(other.len(), 1, "{other:#?}");
    assert_eq!(other[0].since, (6 * DAY + 900) * MINUTE);
    // In the night of the job, but far beyond it.
    let runaway = |minute: i64| if minute / DAY == 7 && (120..145).contains(&(minute % DAY)) { 900.0 } else { 0.0 };
    shop.live(8 * DAY, runaway);
    assert_eq!(shop.last_night().len(), 1, "{:#?}", shop.last_night());
}

#[test]
fn without_marks_the_same_night_is_told_of_again_when_it_grows() {
    let mut shop = Nightly::new(Options::default());
    let longer = |minute: i64| if minute / DAY == 4 && (145..172).contains(&(minute % DAY)) { 52.0 } else { 0.0 };
    shop.live(5 * DAY, longer);
    assert_eq!(shop.last_night().len(), 1, "so that the marks of the other test are what makes the difference");
}

#[test]
fn a_confirmed_incident_is_not_learnt() {
    let incident = |minute: i64| if (2 * DAY + 600..2 * DAY + 640).contains(&minute) { 60.0 } else { 0.0 };
    let again = |minute: i64| if (2 * DAY + 1_000..2 * DAY + 1_040).contains(&minute) { 60.0 } else { 0.0 };
    let score_of_the_second = |confirm: bool| {
        let mut shop = Nightly::new(Options::default());
        shop.live(2 * DAY + 700, incident);
        let id = shop.last_night()[0].id.clone();
        if confirm {
            shop.mark(&id, Feedback::Real);
        }
        shop.live(2 * DAY + 1_040, again);
        shop.last_night().iter().filter(|f| f.since >= (2 * DAY + 1_000) * MINUTE).map(|f| f.peak_score).sum::<f64>()
    };
    let (confirmed, learnt) = (score_of_the_second(true), score_of_the_second(false));
    assert!(confirmed > learnt, "confirmed, the same again is as odd as before: {confirmed} against {learnt}");
}

#[test]
fn nothing_is_raised_or_learnt_while_work_goes_on() {
    let from = 2 * DAY + 602;
    let work = Maintenance {
        id: "m".into(),
        selector: "{job=\"shop\"}".into(),
        matchers: vec![Matcher::equal("job", "shop")],
        from: from * MINUTE,
        until: (from + 50) * MINUTE,
        every: None,
        comment: String::new(),
    };
    let upset = |minute: i64| if (from..from + 50).contains(&minute) { 500.0 } else { 0.0 };
    let mut shop = Nightly::new(Options::default());
    shop.run.engine.tell(&shop.run.tenant, &Command::Plan(work));
    shop.live(from, |_| 0.0);
    let before = shop.run.value("vigie_upper", (from - 1) * MINUTE);
    shop.live(from + 52, upset);
    assert!(shop.run.findings().is_empty(), "{:#?}", shop.run.findings());
    let after = shop.run.value("vigie_upper", (from + 51) * MINUTE);
    let moved = (after.unwrap() - before.unwrap()).abs();
    assert!(moved < 0.5, "the model after is the model before: {before:?} {after:?}");
    shop.live(from + 300, |_| 0.0);
    assert!(shop.run.findings().is_empty(), "nor is its end a finding");
    shop.live(from + 340, |minute| if minute >= from + 310 { 500.0 } else { 0.0 });
    assert_eq!(shop.run.findings().iter().filter(|f| f.scope == FindingScope::Series).count(), 1, "afterwards it is");
}

#[test]
fn rules_say_what_is_worth_a_finding() {
    let fault = |minute: i64| if minute >= 2 * DAY + 600 { 60.0 } else { 0.0 };
    let found = |rule: Rule| {
        let mut shop = Nightly::new(Options { rules: [rule].into(), ..Options::default() });
        shop.live(2 * DAY + 640, fault);
        !shop.last_night().is_empty()
    };
    let matchers = vec![Matcher::equal("__name__", "cpu")];
    let rule = Rule { matchers, exclude: None, direction: None, min_absolute: None, min_relative: None };
    assert!(found(rule.clone()));
    assert!(!found(Rule { exclude: Some(true), ..rule.clone() }));
    assert!(!found(Rule { direction: Some(Direction::Below), ..rule.clone() }));
    assert!(found(Rule { direction: Some(Direction::Above), ..rule.clone() }));
    assert!(!found(Rule { min_absolute: Some(80.0), ..rule.clone() }));
    assert!(!found(Rule { min_relative: Some(4.0), ..rule.clone() }));
    let other = vec![Matcher::equal("__name__", "memory")];
    assert!(found(Rule { matchers: other, exclude: Some(true), ..rule }), "about another metric");
}

#[test]
fn a_new_pod_of_a_known_workload_scores_within_a_minute() {
    // Of a counter the same is true of its rate. (The last case: the one pod before has just gone.)
    for (metric, before, stays) in [("cpu", 3, true), ("requests_total", 3, true), ("requests_total", 1, false)] {
        let mut run = Run::new(Options { shards: 2, ..Options::default() });
        let pods: Vec<Labels> = (0..4).map(|pod| labels(metric, &format!("pod-{pod}"))).collect();
        let mut totals = [0.0; 4];
        let mut write = |run: &mut Run, i: i64, alive: &[usize], odd: f64| {
            let rows: Vec<(&Labels, f64)> = alive
                .iter()
                .map(|&pod| {
                    let value = 50.0 + 4.0 * noise(i, pod as u64) + if pod == 3 { odd } else { 0.0 };
                    totals[pod] += 15.0 * value;
                    (&pods[pod], if metric == "cpu" { value } else { totals[pod] })
                })
                .collect();
            run.write_at(i * STEP, &rows);
        };
        let old: Vec<usize> = (0..before).collect();
        let new = if stays { [&*old, &[3]].concat() } else { vec![3] };
        for i in 0..1_000 {
            write(&mut run, i, &old, 0.0);
        }
        if !stays {
            run.write_at(1_000 * STEP, &[(&pods[0], stale_nan())]);
        }
        // The fourth pod comes, and is far off from its sixth sample on.
        let mut first = None;
        for i in 1_001..1_014 {
            write(&mut run, i, &new, if i >= 1_006 { 60.0 } else { 0.0 });
            let score = run.score(&pods[3], i * STEP);
            if let Some(score) = score.filter(|_| first.is_none()) {
                first = Some(i);
                assert!(i > 1_006 || score < 1.0, "{metric}: an ordinary start is no anomaly: {score} at {i}");
            }
        }
        let first = first.unwrap_or_else(|| panic!("{metric}, {before} before: it has a score"));
        assert!((first - 1_001) * STEP <= 75_000, "{metric}: scored {} samples after its first", first - 1_001);
        let worst = (1_006..1_014).filter_map(|i| run.score(&pods[3], i * STEP)).fold(0.0, f64::max);
        assert!(worst > 1.0, "{metric}, {before} before: its fault shows at once: {worst}");
    }
}
