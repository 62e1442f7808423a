use super::course::{BURST_LENGTH, BURST_STARTS, COURSE_PERIOD};
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn gaps_s(arrivals: &[Arrival]) -> Vec<f64> {
    arrivals.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect()
}

/// Standard deviation relative to the mean.
fn variation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    variance.sqrt() / mean
}

/// The quantile of what arrives of a class.
fn quantile(arrivals: &[Arrival], class: Class, share: f64, tokens: fn(&Arrival) -> u32) -> u32 {
    let mut all: Vec<_> = arrivals.iter().filter(|arrival| arrival.class == class).map(tokens).collect();
    all.sort_unstable();
    all[(share * (all.len() - 1) as f64) as usize]
}

fn prompt(arrival: &Arrival) -> u32 {
    arrival.prompt_tokens
}

fn output(arrival: &Arrival) -> u32 {
    arrival.output_tokens
}

#[test]
fn the_same_seed_gives_the_same_arrivals_and_another_seed_gives_others() {
    assert_eq!(arrivals(5.0, HOUR, 1), arrivals(5.0, HOUR, 1));
    assert_ne!(arrivals(5.0, HOUR, 1), arrivals(5.0, HOUR, 2));
}

#[test]
fn another_rate_has_the_same_requests() {
    let lengths = |rate| arrivals(rate, HOUR, 1).iter().map(|a| (a.prompt_tokens, a.output_tokens)).collect::<Vec<_>>();
    let (few, many) = (lengths(1.0), lengths(5.0));
    assert!(many.starts_with(&few));
}

#[test]
fn arrivals_come_at_the_asked_rate_in_order_and_within_the_span() {
    let steady = Traffic::poisson(mixes::SEED);
    let gamma = Traffic { gaps: Gaps::Gamma { coefficient_of_variation: 3.0 }, ..steady };
    let ramp = Traffic { course: Course::RAMP, ..steady };
    for traffic in [steady, gamma, ramp, mixes::AZURE_CODE_TRAFFIC] {
        // Long enough for the silences to be near their mean.
        let span = 20 * HOUR;
        let arrivals = traffic.arrivals(1.0, span, 1);
        let rate = arrivals.len() as f64 / span.as_secs_f64();
        assert!((rate - 1.0).abs() < 0.05, "{traffic:?}: {rate}");
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        assert!(arrivals.iter().all(|arrival| arrival.at < span));
    }
}

#[test]
fn classes_mix_seven_to_four_with_their_own_lengths() {
    let arrivals = arrivals(20.0, HOUR, 1);
    let count = |class| arrivals.iter().filter(|arrival| arrival.class == class).count() as f64;
    let ratio = count(Class::Chat) / count(Class::TextToSql);
    assert!((ratio - 7.0 / 4.0).abs() < 0.1, "{ratio}");
    let median = quantile(&arrivals, Class::Chat, 0.5, prompt);
    assert!((295..320).contains(&median), "{median}");
    assert!((200..217).contains(&quantile(&arrivals, Class::Chat, 0.5, output)));
    assert!((880..920).contains(&quantile(&arrivals, Class::TextToSql, 0.5, prompt)));
    assert!((53..57).contains(&quantile(&arrivals, Class::TextToSql, 0.5, output)));
}

#[test]
fn long_prompts_are_above_4000_tokens_and_their_answers_from_32_to_64() {
    let arrivals = Traffic::poisson(mixes::SEED_LONG_PROMPTS).arrivals(5.0, HOUR, 1);
    assert!(quantile(&arrivals, Class::TextToSql, 0.0, prompt) > 4_000);
    assert_eq!(quantile(&arrivals, Class::TextToSql, 0.0, output), 32);
    assert_eq!(quantile(&arrivals, Class::TextToSql, 1.0, output), 64);
}

#[test]
fn quantiles_are_those_of_the_table() {
    let arrivals = mixes::AZURE_CHAT_TRAFFIC.arrivals(20.0, HOUR, 1);
    let near = |share, expected: f64| {
        let found = f64::from(quantile(&arrivals, Class::Chat, share, prompt));
        assert!((found / expected - 1.0).abs() < 0.03, "{share}: {found}");
    };
    near(0.5, 1_020.0);
    near(0.9, 2_735.0);
    near(0.95, 4_083.0);
}

#[test]
fn gamma_gaps_have_their_coefficient_of_variation() {
    let bunched = Traffic { gaps: Gaps::Gamma { coefficient_of_variation: 3.0 }, ..Traffic::poisson(mixes::SEED) };
    let found = variation(&gaps_s(&bunched.arrivals(5.0, 3 * HOUR, 1)));
    assert!((2.8..3.2).contains(&found), "{found}");
    let poisson = variation(&gaps_s(&arrivals(5.0, 3 * HOUR, 1)));
    assert!((0.97..1.03).contains(&poisson), "{poisson}");
}

#[test]
fn silences_are_as_long_and_as_often_as_told() {
    let arrivals = mixes::AZURE_CODE_TRAFFIC.arrivals(2.0, 10 * HOUR, 1);
    let silences: Vec<_> = gaps_s(&arrivals).into_iter().filter(|gap| *gap > 2.0).collect();
    let mean_s = silences.iter().sum::<f64>() / silences.len() as f64;
    // Silences above two seconds of a mean of 27.1 s: 29.1 s by their lack of memory.
    assert!((27.0..31.0).contains(&mean_s), "{mean_s}");
}

#[test]
fn a_burst_has_three_times_the_load_around_it() {
    let traffic = Traffic { course: Course::BURST, ..Traffic::poisson(mixes::SEED) };
    let arrivals = traffic.arrivals(40.0, COURSE_PERIOD, 1);
    let count = |from: Duration| {
        let within = |at| from <= at && at < from + BURST_LENGTH;
        arrivals.iter().filter(|arrival| within(arrival.at)).count() as f64
    };
    let (before, during) = (count(BURST_STARTS - BURST_LENGTH), count(BURST_STARTS));
    let after = count(BURST_STARTS + BURST_LENGTH);
    assert!((2.7..3.3).contains(&(during / before)), "{during} after {before}");
    assert!((2.7..3.3).contains(&(during / after)), "{during} before {after}");
}

#[test]
fn a_ramp_has_its_peak_in_the_middle_of_each_period() {
    let traffic = Traffic { course: Course::RAMP, ..Traffic::poisson(mixes::SEED) };
    let arrivals = traffic.arrivals(40.0, 2 * COURSE_PERIOD, 1);
    let in_fifth = |n: u32| {
        let (from, to) = (COURSE_PERIOD * n / 5, COURSE_PERIOD * (n + 1) / 5);
        arrivals.iter().filter(|arrival| from <= arrival.at && arrival.at < to).count() as f64
    };
    for period in [0, 5] {
        // The mean factors of the first and the middle fifth are 0.7 and 1.4.
        let ratio = in_fifth(period + 2) / in_fifth(period);
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }
}

#[test]
fn streams_overlay_in_order_of_time_with_their_shares() {
    let arrivals = overlay(&mixes::AZURE_BOTH, 2.0, 10 * HOUR, 1);
    assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
    let chat = arrivals.iter().filter(|arrival| arrival.class == Class::Chat).count() as f64;
    assert!((chat / arrivals.len() as f64 - 5.53 / 8.1).abs() < 0.05);
}

#[test]
fn no_answer_is_longer_than_its_clients_ask_for() {
    let mixes = [mixes::SEED, mixes::SEED_SINGLE_TURN, mixes::SEED_LONG_PROMPTS, mixes::HEAVY_TAIL, mixes::AZURE_CHAT];
    for mix in mixes.into_iter().chain([mixes::AZURE_CODE]) {
        let arrivals = Traffic::poisson(mix).arrivals(5.0, HOUR, 1);
        assert!(arrivals.iter().all(|arrival| arrival.output_tokens <= arrival.class.max_tokens()));
    }
}
