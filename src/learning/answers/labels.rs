//! The names under which models' lengths are learned. Clients make up model names, and servers
//! answer many of them, so there are only so many: a name gets one with its first answer, and where
//! all are taken it takes the place of the one that is worth least.

use std::rc::Rc;
use std::time::Duration;

use fnv::FnvHashMap;

use crate::scheduling::time::Instant;

/// Models with a history of their own; the rest share one.
const MOST_MODELS: usize = 256;
/// The longest name that gets a history of its own.
const LONGEST_NAME: usize = 256;
/// The name of those that have none: models that were never answered, so that it stays empty.
pub(super) const NEW_MODELS: &str = "new";
/// The name of the rest.
pub(super) const OTHER_MODELS: &str = "other";
/// Half-life of a name's answers while it is not used.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// Shortest time between two changes where all are taken: what is shared under a name is never
/// quite freed.
const CHANGE_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Labels {
    known: FnvHashMap<Rc<str>, Use>,
    changed_at: Option<Instant>,
}

#[derive(Debug)]
struct Use {
    answers: u32,
    used_at: Instant,
}

/// Answer to a name that asked for a history of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The name to learn under.
    pub(super) label: Rc<str>,
    /// `true` where the name is new here.
    pub(super) is_new: bool,
    /// The name that it took the place of.
    pub(super) dropped: Option<Rc<str>>,
}

// === impl Labels ===

impl Labels {
    /// The name of a model that has a history of its own.
    pub(super) fn get(&mut self, model: &str, now: Instant) -> Option<Rc<str>> {
        self.known.get_mut(model)?.used_at = now;
        self.known.get_key_value(model).map(|(label, _)| Rc::clone(label))
    }

    /// The name under which the answer to a request for `model` counts.
    pub(super) fn admit(&mut self, model: &str, now: Instant) -> Admitted {
        let label = match self.get(model, now) {
            Some(label) => Some((label, false, None)),
            None => self.make_room(model, now).map(|dropped| {
                let label: Rc<str> = model.into();
                self.known.insert(Rc::clone(&label), Use { answers: 0, used_at: now });
                (label, true, dropped)
            }),
        };
        let Some((label, is_new, dropped)) = label else {
            return Admitted { label: OTHER_MODELS.into(), is_new: false, dropped: None };
        };
        if let Some(known) = self.known.get_mut(&label) {
            known.answers = known.answers.saturating_add(1);
        }
        Admitted { label, is_new, dropped }
    }

    /// `None`: there is none. Else whose place it is, if it was anybody's.
    fn make_room(&mut self, model: &str, now: Instant) -> Option<Option<Rc<str>>> {
        if model.len() > LONGEST_NAME || [NEW_MODELS, OTHER_MODELS].contains(&model) {
            return None;
        }
        if self.known.len() < MOST_MODELS {
            return Some(None);
        }
        if self.changed_at.is_some_and(|at| now.since(at) < CHANGE_EVERY) {
            return None;
        }
        let worth = |known: &Use| {
            let half_lives = now.since(known.used_at).as_secs().checked_div(HALF_LIFE.as_secs()).unwrap_or_default();
            (
                known.answers.checked_shr(u32::try_from(half_lives).unwrap_or(u32::MAX)).unwrap_or_default(),
                known.used_at,
            )
        };
        let least = self.known.iter().min_by_key(|(_, known)| worth(known)).map(|(label, _)| Rc::clone(label))?;
        self.known.remove(&least);
        self.changed_at = Some(now);
        Some(Some(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::testing::START;

    fn after(seconds: u64) -> Instant {
        START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_name_is_known_from_its_first_answer_on() {
        let mut labels = Labels::default();
        assert_eq!(labels.get("m", START), None);
        assert_eq!(labels.admit("m", START), Admitted { label: "m".into(), is_new: true, dropped: None });
        assert_eq!(labels.get("m", START).as_deref(), Some("m"));
        assert_eq!(labels.admit("m", START), Admitted { label: "m".into(), is_new: false, dropped: None });
    }

    #[test]
    fn made_up_names_take_no_place_from_one_that_is_used() {
        let mut labels = Labels::default();
        (0..10).for_each(|_| drop(labels.admit("used", START)));
        for n in 0..500 {
            labels.admit(&format!("made-up-{n}"), after(n));
        }
        assert_eq!(labels.known.len(), MOST_MODELS);
        assert!(labels.get("used", after(500)).is_some());
        let late = labels.admit("real", after(502));
        assert_eq!((&*late.label, late.is_new), ("real", true));
        assert!(late.dropped.is_some_and(|dropped| dropped.starts_with("made-up-")));
    }

    #[test]
    fn what_is_not_used_any_more_goes() {
        let mut labels = Labels::default();
        (0..1_000).for_each(|_| drop(labels.admit("old", START)));
        for n in 0..MOST_MODELS as u64 - 1 {
            (0..2).for_each(|_| drop(labels.admit(&format!("used-{n}"), after(7_200))));
        }
        assert_eq!(labels.admit("new one", after(7_201)).dropped.as_deref(), Some("old"));
    }

    #[test]
    fn where_all_are_taken_names_change_seldom_and_absurd_ones_never_count() {
        let mut labels = Labels::default();
        let changes = (0..1_000).filter(|n| labels.admit(&format!("made-up-{n}"), START).dropped.is_some());
        assert_eq!(changes.count(), 1);
        for name in ["other", "new", &"x".repeat(257)] {
            assert_eq!(&*Labels::default().admit(name, START).label, OTHER_MODELS);
        }
    }
}
