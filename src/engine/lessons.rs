//! What was learnt from findings that people called false alarms.
//!
//! A lesson is the shape of such an episode: the group of siblings it was about, the side, how far it went, how long it
//! lasted, the time of day. What looks like it raises nothing any more; what goes further, lasts longer, goes to the other
//! side or comes at another time of day still does. Every further mark makes the lesson wider (threshold scale of 1.25 a
//! mark and at most 4, after `Active Anomaly Discovery`, Das et al. 2017, and Siddiqui et al., KDD 2018, where a label
//! reweighs what looks alike).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::signal::{GroupKey, TimestampMs};

/// Groups of which lessons are kept, and lessons of each.
const GROUPS_MAX: usize = 10_000;
const LESSONS_MAX: usize = 8;
/// What a mark adds to how far and how long an episode may go, and where that ends.
const SLACK: f64 = 1.25;
const SLACK_MAX: f64 = 4.0;
/// How far from the time of day of a marked episode a similar one may begin, in ms.
const AROUND_MS: i64 = 2 * 3_600_000;
/// Time after which a lesson that was not needed is forgotten, in ms.
const FORGET_MS: i64 = 60 * DAY_MS;
const DAY_MS: i64 = 86_400_000;

/// The shape of an episode that was no fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lesson {
    /// Whose episode it was.
    pub(super) group: GroupKey,
    /// Whether values were above what was expected.
    pub(super) above: bool,
    /// Largest distance from what was expected.
    pub(super) reach: f64,
    /// How long it lasted, in ms.
    pub(super) duration: i64,
    /// When it began.
    pub(super) began: TimestampMs,
    /// Whether it counts at any time of day: marked at two that are far apart.
    pub(super) any_time: bool,
    /// How often it was marked.
    pub(super) marks: u8,
    /// When it was last marked or needed.
    pub(super) used_at: TimestampMs,
}

/// An episode as far as it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) above: bool,
    pub(super) reach: f64,
    pub(super) began: TimestampMs,
    pub(super) now: TimestampMs,
}

impl Lesson {
    /// The lesson of one false alarm.
    pub(super) fn of(group: GroupKey, shape: &Shape) -> Self {
        Self {
            group,
            above: shape.above,
            reach: shape.reach,
            duration: shape.now - shape.began,
            began: shape.began,
            any_time: false,
            marks: 1,
            used_at: shape.now,
        }
    }

    fn slack(&self) -> f64 {
        SLACK.powi(i32::from(self.marks)).min(SLACK_MAX)
    }

    fn is_near(&self, at: TimestampMs) -> bool {
        let apart = (at - self.began).rem_euclid(DAY_MS);
        self.any_time || apart.min(DAY_MS - apart) <= AROUND_MS
    }

    fn covers(&self, shape: &Shape) -> bool {
        self.above == shape.above
            && shape.reach <= self.slack() * self.reach
            && ((shape.now - shape.began) as f64) <= self.slack() * self.duration as f64
            && self.is_near(shape.began)
    }
}

/// All lessons of a tenant; every shard has them all, since siblings may live on any.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Lessons(BTreeMap<GroupKey, Vec<Lesson>>);

impl Lessons {
    /// Takes a lesson: widens one that it resembles, or keeps it beside the others.
    pub(super) fn learn(&mut self, lesson: Lesson) {
        let group = self.0.entry(lesson.group).or_default();
        let alike = |known: &&mut Lesson| {
            let factor = known.reach / lesson.reach.max(f64::MIN_POSITIVE);
            known.above == lesson.above && (1.0 / SLACK_MAX..SLACK_MAX).contains(&factor)
        };
        if let Some(known) = group.iter_mut().find(alike) {
            known.any_time |= !known.is_near(lesson.began);
            known.reach = known.reach.max(lesson.reach);
            known.duration = known.duration.max(lesson.duration);
            known.marks = known.marks.saturating_add(1);
            known.used_at = known.used_at.max(lesson.used_at);
            return;
        }
        group.push(lesson);
        if group.len() > LESSONS_MAX {
            group.remove(0);
        }
        if self.0.len() > GROUPS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(key, all)| (newest(all), **key)).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
    }

    /// Takes a mark back.
    pub(super) fn unlearn(&mut self, group: GroupKey, above: bool, reach: f64) {
        let Some(lessons) = self.0.get_mut(&group) else { return };
        if let Some(place) = lessons.iter().position(|known| known.above == above && known.reach >= reach) {
            let lesson = &mut lessons[place];
            lesson.marks = lesson.marks.saturating_sub(1);
            if lesson.marks == 0 {
                lessons.remove(place);
            }
        }
        if lessons.is_empty() {
            self.0.remove(&group);
        }
    }

    /// Whether an episode of the group looks like a false alarm.
    pub(super) fn covers(&mut self, group: GroupKey, shape: &Shape) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(lesson) = self.0.get_mut(&group).and_then(|all| all.iter_mut().find(|l| l.covers(shape))) else {
            return false;
        };
        lesson.used_at = lesson.used_at.max(shape.now);
        true
    }

    /// Forgets what was not needed for long.
    pub(super) fn forget(&mut self, now: TimestampMs) {
        self.0.retain(|_, all| newest(all) > now.saturating_sub(FORGET_MS));
    }

    /// Takes over what another shard knew.
    pub(super) fn merge(&mut self, other: Self) {
        for (group, lessons) in other.0 {
            self.0.entry(group).or_insert(lessons);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

fn newest(lessons: &[Lesson]) -> TimestampMs {
    lessons.iter().map(|lesson| lesson.used_at).max().unwrap_or(TimestampMs::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const NIGHT: i64 = 2 * 3_600_000;

    fn shape(day: i64, began: i64, minutes: i64, reach: f64) -> Shape {
        let began = day * DAY_MS + began;
        Shape { above: true, reach, began, now: began + minutes * MINUTE }
    }

    #[test]
    fn a_lesson_covers_what_looks_like_it_and_nothing_else() {
        let (group, mut lessons) = (GroupKey::new(7), Lessons::default());
        lessons.learn(Lesson::of(group, &shape(0, NIGHT, 20, 10.0)));
        assert!(lessons.covers(group, &shape(1, NIGHT + 30 * MINUTE, 15, 9.0)));
        assert!(lessons.covers(group, &shape(1, NIGHT, 24, 12.0)), "a little more");
        assert!(!lessons.covers(GroupKey::new(8), &shape(1, NIGHT, 15, 9.0)), "another group");
        assert!(!lessons.covers(group, &shape(1, NIGHT, 15, 14.0)), "further");
        assert!(!lessons.covers(group, &shape(1, NIGHT, 40, 9.0)), "longer");
        assert!(!lessons.covers(group, &shape(1, NIGHT + 12 * 3_600_000, 15, 9.0)), "at noon");
        assert!(!lessons.covers(group, &Shape { above: false, ..shape(1, NIGHT, 15, 9.0) }), "to the other side");
    }

    #[test]
    fn a_second_mark_widens_it_and_taking_both_back_ends_it() {
        let (group, mut lessons) = (GroupKey::new(7), Lessons::default());
        lessons.learn(Lesson::of(group, &shape(0, NIGHT, 20, 10.0)));
        lessons.learn(Lesson::of(group, &shape(1, NIGHT, 25, 12.0)));
        assert_eq!(lessons.len(), 1);
        assert!(lessons.covers(group, &shape(2, NIGHT, 35, 18.0)));
        lessons.learn(Lesson::of(group, &shape(2, NIGHT + 12 * 3_600_000, 25, 12.0)));
        assert!(lessons.covers(group, &shape(2, NIGHT + 6 * 3_600_000, 15, 9.0)), "marked by night and by day");
        for _ in 0..3 {
            lessons.unlearn(group, true, 10.0);
        }
        assert_eq!(lessons.len(), 0);
    }

    #[test]
    fn what_is_not_needed_is_forgotten() {
        let (group, mut lessons) = (GroupKey::new(7), Lessons::default());
        lessons.learn(Lesson::of(group, &shape(0, NIGHT, 20, 10.0)));
        assert!(lessons.covers(group, &shape(50, NIGHT, 20, 10.0)), "needed at day 50");
        lessons.forget(100 * DAY_MS);
        assert_eq!(lessons.len(), 1);
        lessons.forget(120 * DAY_MS);
        assert_eq!(lessons.len(), 0);
    }
}
