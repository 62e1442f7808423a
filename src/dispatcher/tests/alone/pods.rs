//! Pods that fail, that lack a model, and that a new pool brings or takes away.

use super::*;

#[test]
fn a_pod_that_refuses_is_out_and_one_that_answers_is_not() {
    for (end, out) in [(End::PodFailed, true), (End::Answered, false), (End::Abandoned, false), (well(), false)] {
        let mut world = World::new(1, pool(&[("a", 2, Some(profile(&[(1.0, 1.0)], 10.0)))]), settings());
        world.arrive(0, arrival(1, 0, START));
        world.finish(1, &end);
        (2..4).for_each(|id| world.arrive(0, arrival(id, 0, START)));
        assert_eq!(world.waiting().len(), usize::from(out), "{end:?}");
    }
}

#[test]
fn a_pod_that_stays_silent_while_others_answer_is_out() {
    for (others_answer, patience_ms, out) in [(true, 2_000, true), (false, 2_000, false), (true, 100, false)] {
        let mut dispatcher = dispatcher(settings(), pool(&[("a", 2, Some(profile(&[(0.125, 1.0)], 10.0)))]));
        let mut silent = None;
        let later = START.after(Duration::from_millis(patience_ms));
        for id in 0..6 {
            let actions = dispatcher.submit(arrival(id, 0, START), START);
            let Some(Action::Forward(id, placement)) = actions.first() else { panic!("not placed") };
            let is_silent = *silent.get_or_insert(placement.address) == placement.address;
            if !is_silent && others_answer {
                dispatcher.progress(*id, 1, later);
            }
        }
        let changes = (0..6).map(|id| {
            let end = if others_answer && id % 2 == 1 { well() } else { End::Unanswered(later.since(START)) };
            dispatcher.finish(RequestId(id), &end, later)
        });
        assert_eq!(changes.flatten().any(|change| change == Change::Out), out, "{others_answer} {patience_ms} ms");
    }
}

#[test]
fn an_error_within_a_second_of_output_for_others_may_be_the_requests() {
    for (since_output_ms, out) in [(900, false), (1_100, true)] {
        let mut dispatcher = dispatcher(settings(), pool(&[("a", 2, Some(profile(&[(0.125, 1.0)], 10.0)))]));
        let placed: Vec<_> = (0..4).flat_map(|id| dispatcher.submit(arrival(id, 0, START), START)).collect();
        let pod = |action: &Action| match action {
            Action::Forward(id, placement) => (*id, placement.address),
            Action::Refuse(..) => panic!("not placed"),
        };
        let (streamed, address) = pod(&placed[0]);
        let same = placed[1..].iter().map(pod).find(|(_, other)| *other == address).expect("four on two pods");
        dispatcher.progress(streamed, 1, START);
        let change = dispatcher.finish(same.0, &End::Erred, START.after(Duration::from_millis(since_output_ms)));
        assert_eq!(change == Some(Change::Out), out, "{since_output_ms} ms");
    }
}

#[test]
fn a_pod_without_a_model_takes_requests_for_others() {
    let mut dispatcher = dispatcher(settings(), pool(&[("a", 2, Some(profile(&[(0.125, 1.0)], 10.0)))]));
    let ask = |dispatcher: &mut Dispatcher<_>, id, name: &str| {
        let model = Model { name: name.to_owned(), base: None };
        let actions = dispatcher.submit(Arrival { model, ..arrival(id, 0, START) }, START);
        match actions.first() {
            Some(Action::Forward(_, placement)) => placement.address,
            other => panic!("{other:?}"),
        }
    };
    let lacking = ask(&mut dispatcher, 0, "adapter");
    assert_eq!(dispatcher.finish(RequestId(0), &End::ModelMissing, START), Some(Change::Lacks));
    assert!((1..5).all(|id| ask(&mut dispatcher, id, "adapter") != lacking));
    assert_eq!(ask(&mut dispatcher, 5, "other"), lacking);
}

#[test]
fn what_new_profiles_charge_the_other_vms_see() {
    let memory = Memory::default();
    let quarters = || pool(&[("a", 1, Some(profile(&[(0.25, 1.0)], 10.0)))]);
    let [mut one, mut other] = [(halves(), 1), (quarters(), 2)].map(|(pool, seed)| {
        let mut vm = Dispatcher::new(memory.clone(), settings(), seed, START);
        vm.set_pool(pool.into(), START);
        vm
    });
    (1..3).for_each(|id| drop(one.submit(arrival(id, 0, START), START)));
    one.set_pool(quarters().into(), START);
    (1..4).for_each(|id| drop(other.submit(arrival(id, 0, START), START)));
    assert_eq!((other.in_flight(), other.waiting()), (2, 1));
}

#[test]
fn of_a_pool_that_shrank_to_pods_that_failed_half_take_requests() {
    let whole = |pods| pool(&[("a", pods, Some(profile(&[(1.0, 1.0)], 10.0)))]);
    let mut dispatcher = dispatcher(settings(), whole(4));
    let placed = (0..4).filter_map(|id| match &dispatcher.submit(arrival(id, 0, START), START)[..] {
        [Action::Forward(id, placement)] => Some((*id, placement.address)),
        _ => None,
    });
    let placed: Vec<_> = placed.collect();
    for (id, address) in placed {
        let is_kept = whole(2).pods().iter().any(|pod| pod.address == address);
        dispatcher.finish(id, if is_kept { &End::PodFailed } else { &End::Abandoned }, START);
    }
    dispatcher.set_pool(whole(2).into(), START);
    (4..6).for_each(|id| drop(dispatcher.submit(arrival(id, 0, START), START)));
    assert_eq!((dispatcher.in_flight(), dispatcher.waiting()), (1, 1));
}
