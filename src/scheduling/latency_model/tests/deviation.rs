use super::super::deviation::Deviations;
use crate::scheduling::pool::PodId;

fn pod(number: u8) -> PodId {
    PodId::of(([10, 0, 0, number], 8000).into())
}

/// Answers of pods of which the k-th shows what `residual` says of it and of its requests in
/// flight.
fn learned(answers: u32, requests: impl Fn(u32, u8) -> f64, residual: impl Fn(u8, f64) -> f64) -> Deviations {
    let mut deviations = Deviations::default();
    for answer in 0..answers {
        for number in 0..2 {
            let requests = requests(answer, number);
            deviations.learn(pod(number), requests, residual(number, requests), 1.0);
        }
    }
    deviations
}

/// One pod is busy while the other is quiet, in turn, and a busy one takes twice as long as the
/// model says.
#[test]
fn pods_that_are_slow_under_load_alike_are_not_told_apart() {
    let swinging =
        |answer: u32, number: u8| if (answer / 40 + u32::from(number)).is_multiple_of(2) { 40.0 } else { 5.0 };
    for answers in 1..400 {
        let deviations = learned(answers, swinging, |_, requests| if requests > 20.0 { 0.7 } else { 0.0 });
        let relative = deviations.factor_of(pod(0), 0.1) / deviations.factor_of(pod(1), 0.1);
        assert!((0.85..1.18).contains(&relative), "{relative} after {answers}");
    }
}

#[test]
fn a_pod_that_is_slower_at_the_same_load_is_told_from_its_like() {
    let deviations = learned(200, |_, _| 12.0, |number, _| if number == 1 { 0.7 } else { 0.0 });
    let relative = deviations.factor_of(pod(1), 0.05) / deviations.factor_of(pod(0), 0.05);
    assert!((1.7..2.1).contains(&relative), "{relative}");
}

#[test]
fn a_slowness_of_all_pods_is_no_pods_own() {
    let deviations = learned(200, |_, _| 12.0, |_, _| 0.7);
    assert!([0, 1].iter().all(|number| (deviations.factor_of(pod(*number), 0.0) - 1.0).abs() < 0.05));
    let mut alone = Deviations::default();
    for _ in 0..200 {
        alone.learn(pod(0), 12.0, 0.7, 1.0);
    }
    assert_eq!(alone.factor_of(pod(0), 0.0), 1.0);
}

#[test]
fn it_stays_told_when_it_is_given_less() {
    let requests = |answer: u32, number: u8| if answer > 100 && number == 1 { 5.0 } else { 12.0 };
    let deviations = learned(300, requests, |number, _| if number == 1 { 0.7 } else { 0.0 });
    let relative = deviations.factor_of(pod(1), 0.05) / deviations.factor_of(pod(0), 0.05);
    assert!((1.4..2.1).contains(&relative), "{relative}");
}

#[test]
fn noise_leaves_identical_pods_alike() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut deviations = Deviations::default();
    let mut apart = 0;
    for answer in 0..2_000_u32 {
        let number = (answer % 4) as u8;
        let residual = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
        deviations.learn(pod(number), 10.0, 0.2 * residual, 1.0);
        apart += u32::from((deviations.factor_of(pod(number), 0.16) - 1.0).abs() > 0.03);
    }
    assert!(apart < 60, "{apart} of 2,000");
}
