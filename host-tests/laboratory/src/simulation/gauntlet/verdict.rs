//! The gauntlet's table, and whether all is as it should be.

use comfy_table::Cell as TableCell;

use super::known::{KnownBreaks, Standing};
use super::law::{Judgement, Law, Outcome};
use super::store::OfCell;
use crate::report::{align, empty, name};

/// A row for each cell: what is in doubt or broken of each law, and the attainment.
pub fn table(cells: &[OfCell]) -> String {
    let heads = ["cell", "rate/s", "kept, %"].map(str::to_owned).into_iter();
    let mut table = empty(heads.chain(Law::ALL.map(|law| law.name().to_owned())));
    for of_cell in cells {
        let mean = worst(&of_cell.judgements, Law::Mean);
        let row = [
            name(&of_cell.cell),
            TableCell::new(format!("{:.2}", of_cell.rate_per_s)),
            TableCell::new(mean.map_or("", |mean| &mean.words)),
        ];
        let sign = |law| TableCell::new(worst(&of_cell.judgements, law).map_or_else(|| "-".to_owned(), sign));
        table.add_row(row.into_iter().chain(Law::ALL.map(sign)));
    }
    align(table, 1)
}

/// The judgement of this law that is broken most; the pull policies have one each.
fn worst(judgements: &[Judgement], law: Law) -> Option<&Judgement> {
    let of_law = judgements.iter().filter(|judgement| judgement.law == law);
    of_law.max_by(|one, other| one.outcome.cmp(&other.outcome).then(one.severity.total_cmp(&other.severity)))
}

fn sign(judgement: &Judgement) -> String {
    match judgement.outcome {
        Outcome::Holds => "ok",
        Outcome::InDoubt => "?",
        Outcome::Broken => "BROKEN",
    }
    .to_owned()
}

/// All laws that are broken or in doubt, worst first; and those of the list that hold.
pub fn list(cells: &[OfCell], known: &KnownBreaks) -> String {
    let judged = cells.iter().flat_map(|of_cell| Law::ALL.map(|law| (of_cell, law)));
    let judged = judged.filter_map(|(of_cell, law)| Some((of_cell, worst(&of_cell.judgements, law)?)));
    let mut lines: Vec<_> = judged
        .map(|(of_cell, judgement)| (known.standing(&of_cell.cell, judgement), of_cell, judgement))
        .filter(|(standing, _, judgement)| *standing == Standing::Mended || judgement.outcome != Outcome::Holds)
        .collect();
    lines.sort_by(|(_, _, one), (_, _, other)| {
        other.outcome.cmp(&one.outcome).then(other.severity.total_cmp(&one.severity))
    });
    let line = |(standing, of_cell, judgement): &(Standing, &OfCell, &Judgement)| {
        let words = match standing {
            Standing::Unknown => "broken",
            Standing::Known => "known",
            Standing::Mended => "MENDED: take it out of known-breaks.txt",
            Standing::Fine => "in doubt",
        };
        format!("{} {}: {words}: {}\n", of_cell.cell, judgement.law.name(), judgement.words)
    };
    lines.iter().map(line).collect()
}

/// Counts the laws that are broken but not known to be, and those that hold but are said to be
/// broken.
pub fn surprises(cells: &[OfCell], known: &KnownBreaks) -> usize {
    let judged = cells.iter().flat_map(|of_cell| Law::ALL.map(|law| (of_cell, law)));
    let standings =
        judged.filter_map(|(of_cell, law)| Some(known.standing(&of_cell.cell, worst(&of_cell.judgements, law)?)));
    standings.filter(|standing| matches!(standing, Standing::Unknown | Standing::Mended)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::gauntlet::store::Store;
    use crate::simulation::gauntlet::trial::{Effort, Runs};

    fn of_cell(outcomes: &[(Law, Outcome, f64)]) -> OfCell {
        let judgement = |(law, outcome, severity): &(Law, Outcome, f64)| Judgement {
            law: *law,
            outcome: *outcome,
            severity: *severity,
            words: format!("by {severity}"),
        };
        let folder =
            std::env::temp_dir().join(format!("gauntlet-verdict-{}-{outcomes:?}", std::process::id()).replace(' ', ""));
        let judgements = outcomes.iter().map(judgement).collect();
        let cell = Store::open(&folder).unwrap().keep(
            "a@1/w1/none".to_owned(),
            1.0,
            Effort::STANDARD,
            judgements,
            Runs::new(),
        );
        std::fs::remove_dir_all(folder).unwrap();
        cell.unwrap()
    }

    #[test]
    fn what_is_broken_comes_first_and_the_worst_of_it_before_all() {
        let cells = [of_cell(&[
            (Law::Mean, Outcome::InDoubt, 9.0),
            (Law::Balance, Outcome::Broken, 2.0),
            (Law::Span, Outcome::Broken, 3.0),
            (Law::Refusal, Outcome::Holds, 0.0),
        ])];
        let known = KnownBreaks::parse("a@1/w1/none balance for a reason").unwrap();
        let expected =
            "a@1/w1/none span: broken: by 3\na@1/w1/none balance: known: by 2\na@1/w1/none mean: in doubt: by 9\n";
        assert_eq!(list(&cells, &known), expected);
        assert_eq!(surprises(&cells, &known), 1);
        assert_eq!(surprises(&cells, &KnownBreaks::default()), 2);
        let mended = KnownBreaks::parse("a@1/w1/none refusal for a reason").unwrap();
        assert!(list(&cells, &mended).contains("refusal: MENDED"));
        assert_eq!(surprises(&cells, &mended), 3);
    }

    #[test]
    fn the_worse_of_two_pull_policies_counts() {
        let cells = [of_cell(&[(Law::Pull, Outcome::Broken, 2.0), (Law::Pull, Outcome::Holds, -1.0)])];
        assert_eq!(surprises(&cells, &KnownBreaks::default()), 1);
        assert!(table(&cells).contains("BROKEN"));
    }
}
