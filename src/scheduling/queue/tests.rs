use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::scheduling::policies::attainment;
use crate::scheduling::pool::{Model, Pool};
use crate::scheduling::request::Arrival;
use crate::scheduling::requests::Requests;
use crate::scheduling::testing::{START, assess, pool, profile, urgent};

const MAX_WAIT: Duration = Duration::from_secs(40);
const QUARTER: Duration = Duration::from_secs(10);

/// Two deployments, three shapes: one that both serve, one that the slow one serves three seconds
/// later, one infeasible.
fn two_speeds() -> Pool {
    let fast = profile(&[(0.25, 1.0), (0.5, 1.0), (0.0, 2.0)], 5.0);
    let slow = profile(&[(0.25, 2.0), (0.5, 4.0), (0.0, 2.0)], 5.0);
    pool(&[("fast", 1, Some(fast)), ("slow", 1, Some(slow))])
}

fn request(id: u32, shape: usize, at: Instant, e2e: Duration) -> Request {
    assess(urgent(id, shape, at, e2e), &two_speeds())
}

/// A request that can start until `slack` after its arrival.
fn with_slack(id: u32, at: Instant, slack: Duration) -> Request {
    request(id, 0, at, slack + secs(1))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn after(seconds: u64) -> Instant {
    START.after(secs(seconds))
}

fn ids<'a>(requests: impl IntoIterator<Item = &'a Request>) -> Vec<u32> {
    requests.into_iter().map(|request| request.arrival.id.0).collect()
}

fn queue_of(late: LatePolicy, requests: impl IntoIterator<Item = Request>) -> Requests {
    let mut queue = Requests::new(late, MAX_WAIT);
    requests.into_iter().for_each(|request| queue.push(request));
    queue
}

/// Returns the requests that a round is offered, in its order.
fn offered(queue: &mut Requests, now: Instant) -> Vec<u32> {
    queue.offer(now, 128).into_iter().map(|id| id.0).collect()
}

/// The order in which a round would look at all that waits.
fn order(mut queue: Requests, now: Instant) -> Vec<u32> {
    queue.settle(now);
    offered(&mut queue, now)
}

fn three_of_which_the_first_is_late() -> [Request; 3] {
    [with_slack(1, START, secs(1)), with_slack(2, START, secs(5)), with_slack(3, START, secs(4))]
}

#[test]
fn late_ones_come_last() {
    let queue = || queue_of(LatePolicy::Last, three_of_which_the_first_is_late());
    assert_eq!(order(queue(), after(1)), [1, 3, 2]);
    assert_eq!(order(queue(), after(2)), [3, 2, 1]);
}

#[test]
fn late_ones_come_first_where_the_most_overdue_is_to() {
    let queue = queue_of(LatePolicy::First, three_of_which_the_first_is_late());
    assert_eq!(order(queue, after(1).after(Duration::from_millis(900))), [1, 3, 2]);
}

#[test]
fn late_ones_are_to_be_rejected_only_where_configured() {
    let [last, first, reject] = [LatePolicy::Last, LatePolicy::First, LatePolicy::Reject]
        .map(|late| queue_of(late, three_of_which_the_first_is_late()).to_reject(after(2)).collect::<Vec<_>>());
    assert_eq!((last, first, reject), (vec![], vec![], vec![RequestId(1)]));
}

#[test]
fn what_is_due_now_is_not_late() {
    let queue = queue_of(LatePolicy::Reject, three_of_which_the_first_is_late());
    assert_eq!(queue.to_reject(after(1)).count(), 0);
}

#[test]
fn an_infeasible_request_is_late_from_its_arrival_on() {
    let mut queue = queue_of(LatePolicy::Last, [request(1, 2, START, secs(30)), with_slack(2, START, secs(20))]);
    assert_eq!(offered(&mut queue, START), [2, 1]);
    let urgency = queue.urgency(queue.waiting(RequestId(1)).unwrap(), START);
    assert!(urgency.late && urgency.latest_start < START, "{urgency:?}");
}

#[test]
fn equals_are_served_in_the_order_of_arrival() {
    let mut queue = queue_of(LatePolicy::Last, [with_slack(1, after(1), secs(4)), with_slack(2, START, secs(5))]);
    assert_eq!(offered(&mut queue, after(1)), [2, 1]);
}

#[test]
fn nothing_waits_beyond_max_wait() {
    let queue = queue_of(LatePolicy::Last, [with_slack(1, START, secs(1)), with_slack(2, after(1), secs(1))]);
    let end = START.after(MAX_WAIT);
    assert_eq!(queue.expired(end).count(), 0);
    assert_eq!(queue.expired(end.after(Duration::from_micros(1))).collect::<Vec<_>>(), [RequestId(1)]);
}

/// On the slow deployment a request must start three seconds earlier: those that no longer can do
/// not hide one that can.
#[test]
fn a_request_in_time_on_a_slower_deployment_is_seen_behind_many_that_are_not() {
    let millis = Duration::from_millis;
    let others = (0..200).map(|id| request(id, 1, START, millis(5_900)));
    let mut queue = queue_of(LatePolicy::Last, others.chain([request(200, 1, START, millis(6_000))]));
    let mut is_seen_after = |wait| offered(&mut queue, START.after(wait)).contains(&200);
    assert!(!is_seen_after(millis(1_850)), "all can still go there");
    assert!(is_seen_after(millis(1_950)), "only this one can");
    assert!(!is_seen_after(millis(2_050)), "none can");
}

#[test]
fn a_request_ages_after_half_its_slack_and_then_goes_first() {
    let mut queue = queue_of(LatePolicy::Last, [with_slack(1, START, secs(8)), with_slack(2, after(3), secs(4))]);
    assert!(queue.aged(after(3)).is_none());
    let (aged, since) = queue.aged(after(4)).unwrap();
    assert_eq!((aged.arrival.id, since), (RequestId(1), after(4)));
    assert_eq!(offered(&mut queue, after(3)), [2, 1]);
    assert_eq!(offered(&mut queue, after(4)), [1, 2]);
}

#[test]
fn a_request_with_much_slack_ages_after_a_quarter_of_max_wait() {
    let queue = queue_of(LatePolicy::Last, [with_slack(1, START, secs(100))]);
    assert_eq!(queue.aged(START.after(QUARTER)).unwrap().1, START.after(QUARTER));
    assert!(queue.aged(after(9)).is_none());
}

#[test]
fn a_hopeless_request_ages_after_a_quarter_of_max_wait() {
    for hopeless in [request(1, 2, START, secs(30)), request(1, 0, START, Duration::from_millis(500))] {
        let mut queue = queue_of(LatePolicy::Last, [hopeless]);
        queue.settle(START.after(QUARTER));
        assert!(queue.aged(after(9)).is_none());
        assert!(queue.aged(START.after(QUARTER)).is_some());
    }
}

#[test]
fn one_that_aged_and_then_became_late_loses_its_place_for_a_quarter_of_max_wait() {
    let mut queue = queue_of(LatePolicy::Last, [with_slack(1, START, secs(4)), with_slack(2, START, secs(10))]);
    queue.settle(after(4));
    assert_eq!(queue.aged(after(4)).unwrap().0.arrival.id, RequestId(1));
    queue.settle(after(5));
    assert_eq!(queue.aged(after(5)).unwrap().0.arrival.id, RequestId(2), "the first is late and waits anew");
    assert_eq!(offered(&mut queue, after(5)), [2, 1]);
    queue.take_waiting(RequestId(2));
    assert!(queue.aged(after(13)).is_none());
    queue.settle(after(14));
    assert_eq!(queue.aged(after(14)).unwrap().1, after(14), "late since 4 s, and a quarter of 40 s");
}

#[test]
fn a_request_that_comes_again_replaces_itself() {
    let mut queue = queue_of(LatePolicy::Last, [with_slack(1, START, secs(1)), with_slack(1, START, secs(9))]);
    assert_eq!((queue.waiting_count(), offered(&mut queue, after(2)).len()), (1, 1));
    assert!(!queue.waiting(RequestId(1)).unwrap().is_late(after(2)));
}

/// So many that wait under `slo-attainment`, each with another name; the k-th came at k ms and has
/// as many seconds as `slack_s` says.
fn judged(count: u32, slack_s: impl Fn(u32) -> u64) -> Requests {
    let pods = two_speeds();
    let waiting = (0..count).map(|id| {
        let at = START.after(Duration::from_millis(id.into()));
        let model = Model { name: format!("made-up-{id}"), base: None };
        let arrival = Arrival { policy: attainment::SLO_ATTAINMENT, model, ..urgent(id, 0, at, secs(slack_s(id))) };
        assess(arrival, &pods)
    });
    queue_of(LatePolicy::Last, waiting)
}

#[test]
fn names_that_clients_make_up_share_a_lane() {
    let mut queue = judged(2_000, |_| 30);
    assert_eq!(queue.queue().lanes.len(), 1);
    assert!(offered(&mut queue, after(2)).len() <= MOST_OF_LANE);
}

#[test]
fn neither_the_most_urgent_nor_the_newest_nor_those_with_most_slack_are_hidden() {
    let mut queue = judged(1_000, |id| if id == 500 { 60 } else { 30 });
    let offered = offered(&mut queue, after(2));
    assert!([0, 500, 999].iter().all(|id| offered.contains(id)), "{offered:?}");
}

#[test]
fn whatever_waits_comes_up_in_time() {
    for count in [41, 455, 1_000] {
        let mut queue = judged(count, |id| 30 + u64::from(id % 7));
        let passes = count / 4;
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        (0..passes).for_each(|_| seen.extend(offered(&mut queue, after(2))));
        assert_eq!(seen.len(), count as usize, "after {passes} passes");
    }
}

#[test]
fn lanes_that_are_too_many_for_a_pass_come_up_in_turn() {
    let pods = two_speeds();
    let waiting = (0..1_000).map(|id| {
        let arrival = Arrival { class: id as usize, ..urgent(id, 0, START, secs(30)) };
        assess(arrival, &pods)
    });
    let mut queue = queue_of(LatePolicy::Last, waiting);
    assert_eq!(queue.queue().lanes.len(), 1_000);
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    for _ in 0..64 {
        let looked_at = offered(&mut queue, after(1));
        assert!(looked_at.len() <= 128);
        seen.extend(looked_at);
    }
    assert_eq!(seen.len(), 1_000);
}

#[derive(Clone, Debug)]
enum Step {
    Push { id: u32, shape: usize, e2e_ms: u64 },
    Remove(u32),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (0..40_u32, 0..3_usize, 1..20_000_u64).prop_map(|(id, shape, e2e_ms)| Step::Push { id, shape, e2e_ms });
    let remove = (0..40_u32).prop_map(Step::Remove);
    let wait = (0..6_000_u64).prop_map(Step::Wait);
    vec(prop_oneof![4 => push, 2 => remove, 2 => wait], 0..80)
}

/// The order as the design has it, over all that waits.
fn sorted(model: &[Request], late: LatePolicy, now: Instant) -> Vec<u32> {
    let mut sorted: Vec<_> = model
        .iter()
        .map(|request| {
            let hopeless_since = request.arrival.at.before(Duration::from_micros(1));
            let start =
                if request.infeasible { request.latest_start.min(hopeless_since) } else { request.latest_start };
            let is_last = late == LatePolicy::Last && (request.infeasible || request.latest_start < now);
            (is_last, start, request.arrival.at, request.arrival.id.0)
        })
        .collect();
    sorted.sort_unstable();
    sorted.into_iter().map(|(_, _, _, id)| id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_behaves_as_a_sorted_list(steps in steps(), first in any::<bool>(), most in 24..40_usize) {
        let late = if first { LatePolicy::First } else { LatePolicy::Last };
        let mut queue = Requests::new(late, MAX_WAIT);
        let mut model: Vec<Request> = Vec::new();
        let mut now = START;
        for step in steps {
            match step {
                Step::Push { id, shape, e2e_ms } => {
                    let request = request(id, shape, now, Duration::from_millis(e2e_ms));
                    model.retain(|waiting| waiting.arrival.id.0 != id);
                    model.push(request.clone());
                    queue.push(request);
                }
                Step::Remove(id) => {
                    let removed = queue.take_waiting(RequestId(id)).map(|request| request.arrival.id.0);
                    prop_assert_eq!(removed, model.iter().map(|it| it.arrival.id.0).find(|it| *it == id));
                    model.retain(|waiting| waiting.arrival.id.0 != id);
                }
                Step::Wait(millis) => now = now.after(Duration::from_millis(millis)),
            }
            queue.settle(now);
            prop_assert_eq!(queue.waiting_count(), model.len());

            let aged = queue.aged(now).map(|(request, _)| request.arrival.id.0);
            let mut order = sorted(&model, late, now);
            order.sort_by_key(|id| Some(*id) != aged);
            prop_assert_eq!(offered(&mut queue, now), order.clone());
            prop_assert_eq!(queue.head(now).map(|head| head.arrival.id.0), order.first().copied());

            let few: Vec<u32> = queue.offer(now, most).into_iter().map(|id| id.0).collect();
            let mut in_order = order.iter().filter(|id| few.contains(id));
            prop_assert!(few.iter().all(|id| in_order.next() == Some(id)), "{few:?} are not in the order {order:?}");
            let footprint = |id: &u32| queue.waiting(RequestId(*id)).unwrap().footprint();
            for (place, id) in order.iter().enumerate() {
                let is_head = order[..place].iter().all(|other| Some(*other) == aged || footprint(other) != footprint(id));
                prop_assert!(!is_head || few.contains(id), "{id} is the first of its footprint, and not among {few:?}");
            }

            let expired: Vec<u32> = queue.expired(now).map(|id| id.0).collect();
            let mut overdue: Vec<_> = model.iter().filter(|it| now.since(it.arrival.at) > MAX_WAIT).collect();
            overdue.sort_by_key(|it| (it.arrival.at, it.arrival.id));
            prop_assert_eq!(expired, ids(overdue));
            prop_assert_eq!(queue.waiting_work(), model.iter().map(Request::work).sum::<Duration>());
        }
        queue.outdate();
        prop_assert_eq!(queue.offer(now, most), []);
        let mut drained: Vec<u32> = std::iter::from_fn(|| queue.take_outdated()).map(|it| it.arrival.id.0).collect();
        drained.sort_unstable();
        let mut all = ids(&model);
        all.sort_unstable();
        prop_assert_eq!(drained, all);
        prop_assert_eq!((queue.waiting_count(), queue.waiting_work(), queue.queue().lanes.len()), (0, Duration::ZERO, 0));
        let Queue { by_arrival, by_latest_start, by_aging, .. } = queue.queue();
        prop_assert!(by_arrival.is_empty() && by_latest_start.is_empty() && by_aging.is_empty());
    }

    /// Whoever is oldest among those that may reserve a pod neither became late after it had aged,
    /// nor has to wait.
    #[test]
    fn after_settling_the_aged_are_those_beyond_their_patience(steps in steps(), more_ms in 0..60_000_u64) {
        let mut queue = Requests::new(LatePolicy::Last, MAX_WAIT);
        let mut now = START;
        for step in steps {
            match step {
                Step::Push { id, shape, e2e_ms } => queue.push(request(id, shape, now, Duration::from_millis(e2e_ms))),
                Step::Remove(id) => drop(queue.take_waiting(RequestId(id))),
                Step::Wait(millis) => now = now.after(Duration::from_millis(millis)),
            }
        }
        now = now.after(Duration::from_millis(more_ms));
        queue.settle(now);
        let may_reserve_since = |request: &Request| {
            let slack = request.original_slack();
            let patience = if slack.is_zero() { QUARTER } else { QUARTER.min(slack.mul_f64(0.5)) };
            let aged = request.arrival.at.after(patience);
            let lost = request.is_late(now) && aged <= effective_start(request);
            if lost { effective_start(request).after(QUARTER) } else { aged }
        };
        let waiting = queue.queue().by_arrival.iter().map(|(_, id)| queue.waiting(*id).unwrap());
        let oldest = waiting.map(|request| (may_reserve_since(request), request.arrival.id)).min();
        let expected = oldest.filter(|(since, _)| *since <= now);
        prop_assert_eq!(queue.aged(now).map(|(request, since)| (since, request.arrival.id)), expected);
    }
}
