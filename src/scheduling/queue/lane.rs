//! Requests with one footprint, of which a round looks at some.
//!
//! No order tells which of them gain most. The most urgent may be past help and held, those behind
//! them would gain; or those that just came have all the time, and the most urgent should go. So a
//! round is offered some by each of several orders in turn: the most urgent in time, the ones with
//! most slack, the newest, those in between from where the last round ended, those just late and
//! those late for longest. For policies to which all requests of a lane are alike, the most urgent
//! in time on each deployment come first.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use crate::scheduling::policies::PolicyKind;
use crate::scheduling::request::{Request, RequestId};
use crate::scheduling::time::Instant;

/// (latest start, arrival, id): a request's place among others.
pub(super) type Place = (Instant, Instant, RequestId);

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    /// `true` where its requests differ in what placing them gains.
    is_judged: bool,
    /// Times by which a request must be early to be in time on each of its deployments: the least
    /// and the most of them.
    leads: Vec<(Duration, Duration)>,
    places: BTreeSet<Place>,
    by_arrival: BTreeSet<(Instant, RequestId)>,
    /// The last that came up in turn.
    turn: Place,
    /// Number of orders that had their turn so far, but for the first.
    rounds: usize,
}

/// An order in which requests are offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// From where the last round ended.
    InTurn,
    Other,
}

// === impl Lane ===

impl Lane {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            is_judged: request.policy.kind == PolicyKind::Gain,
            leads: Vec::new(),
            places: BTreeSet::new(),
            by_arrival: BTreeSet::new(),
            turn: place_at(Instant::ZERO),
            rounds: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn insert(&mut self, request: &Request, start: Instant) {
        self.places.insert((start, request.arrival.at, request.arrival.id));
        self.by_arrival.insert((request.arrival.at, request.arrival.id));
        for (index, lead) in request.leads().map(Option::unwrap_or_default).enumerate() {
            match self.leads.get_mut(index) {
                Some((least, most)) => (*least, *most) = (lead.min(*least), lead.max(*most)),
                None => self.leads.push((lead, lead)),
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.places.remove(&place);
        self.by_arrival.remove(&(place.1, place.2));
    }

    /// Takes any one out.
    pub(super) fn pop(&mut self) -> Option<RequestId> {
        self.places.pop_first().map(|(_, _, id)| id)
    }

    /// Adds up to `most` requests to those that a round looks at. `late_first`: the most overdue is
    /// the most urgent.
    pub(super) fn offer(&mut self, now: Instant, late_first: bool, most: usize, offered: &mut Vec<RequestId>) {
        if self.places.len() <= most {
            offered.extend(self.places.iter().map(|(_, _, id)| *id));
            return;
        }
        let in_time = |moment: Instant| self.places.range(place_at(moment)..).copied();
        let from_turn = self.places.range((Bound::Excluded(self.turn.max(place_at(now))), Bound::Unbounded)).copied();
        let newest = self.by_arrival.iter().rev().map(|(at, id)| (Instant::ZERO, *at, *id));
        let mut orders: Vec<(Order, Box<dyn Iterator<Item = Place> + '_>)> = Vec::with_capacity(8);
        if self.is_judged {
            orders.push((Order::Other, Box::new(self.places.iter().rev().copied())));
            orders.push((Order::Other, Box::new(newest)));
            orders.push((Order::Other, Box::new(self.places.range(..place_at(now)).rev().copied())));
        } else {
            let leads: BTreeSet<Duration> = self.leads.iter().flat_map(|(least, most)| [*least, *most]).collect();
            for lead in leads.into_iter().filter(|lead| !lead.is_zero()) {
                orders.push((Order::Other, Box::new(in_time(now.after(lead)))));
            }
        }
        orders.push((Order::InTurn, Box::new(from_turn.chain(in_time(now)))));
        orders.push((Order::Other, Box::new(self.places.range(..place_at(now)).copied())));
        // Where only few may be offered, the most urgent is always among them, and the others are
        // by one order after another.
        let first = self.rounds.checked_rem(orders.len()).unwrap_or_default();
        orders.rotate_left(first);
        let late = self.places.range(..place_at(now)).copied();
        let urgent: Box<dyn Iterator<Item = Place> + '_> =
            if late_first { Box::new(late.chain(in_time(now))) } else { Box::new(in_time(now).chain(late)) };
        orders.insert(0, (Order::Other, urgent));
        let end = offered.len().saturating_add(most);
        let mut turn = self.turn;
        let mut is_left = true;
        while is_left && offered.len() < end {
            is_left = false;
            for (order, places) in &mut orders {
                if offered.len() >= end {
                    break;
                }
                let Some(place) = places.next() else { continue };
                is_left = true;
                offered.push(place.2);
                if *order == Order::InTurn {
                    turn = place;
                }
            }
        }
        drop(orders);
        self.turn = turn;
        self.rounds = self.rounds.wrapping_add(most.saturating_sub(1));
    }
}

/// Before all that must start at `moment`.
pub(super) fn place_at(moment: Instant) -> Place {
    (moment, Instant::ZERO, RequestId(0))
}
