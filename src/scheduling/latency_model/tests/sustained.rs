use super::super::sustained::{BANDS, Stay, Sustained, band_of, end_of};

/// Answers of pods on which the requests of each of `numbers` in turn took so many seconds, with an
/// objective of ten.
fn learn(sustained: &mut Sustained, numbers: impl Iterator<Item = u32>, seconds: impl Fn(f64) -> f64) {
    for requests in numbers.map(f64::from) {
        let seconds = seconds(requests);
        sustained.learn(Stay { requests, seconds, kept: seconds <= 10.0 });
    }
}

/// Five seconds on four slots; whoever finds none waits for one.
fn four_slots(requests: f64) -> f64 {
    5.0 * (requests / 4.0).max(1.0)
}

#[test]
fn bands_are_single_numbers_and_then_quarters_of_octaves() {
    let ends: Vec<f64> = (0..17).map(end_of).collect();
    assert_eq!(ends, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0, 24.0, 28.0, 32.0, 40.0]);
    for requests in (1..2_000_u32).map(f64::from) {
        let band = band_of(requests);
        assert!(band == BANDS - 1 || requests <= end_of(band), "{requests}");
        assert!(band == 0 || requests > end_of(band - 1), "{requests}");
    }
}

#[test]
fn the_limit_is_where_objectives_begin_to_be_missed() {
    let mut sustained = Sustained::default();
    learn(&mut sustained, (0..400).map(|k| 1 + k * 7 % 24), four_slots);
    assert_eq!(sustained.limit(), Some(8));
}

#[test]
fn what_keeps_its_objectives_at_any_number_has_no_limit() {
    let mut sustained = Sustained::default();
    learn(&mut sustained, (0..400).map(|k| 1 + k * 7 % 24), |_| 9.0);
    assert_eq!(sustained.limit(), None);
}

#[test]
fn what_misses_alike_at_any_number_has_no_limit() {
    let mut sustained = Sustained::default();
    for k in 0..400_u32 {
        let requests = f64::from(1 + k * 7 % 24);
        // Little's law on a pod that gains by each: all take as long.
        sustained.learn(Stay { requests, seconds: 8.0, kept: k % 3 > 0 });
    }
    assert_eq!(sustained.limit(), None);
}

#[test]
fn the_limit_grows_while_pods_that_are_at_it_keep_their_objectives() {
    let mut sustained = Sustained::default();
    learn(&mut sustained, (0..400).map(|k| 1 + k * 7 % 24), four_slots);
    for _ in 0..200 {
        let at_limit = sustained.limit().unwrap_or_default();
        learn(&mut sustained, std::iter::once(at_limit), |_| 9.0);
    }
    assert!(sustained.limit().is_some_and(|limit| limit > 100), "{:?}", sustained.limit());
    let before = sustained.limit();
    learn(&mut sustained, std::iter::repeat_n(4, 50), |_| 9.0);
    assert_eq!(sustained.limit(), before, "emptier pods show nothing of more requests");
}
