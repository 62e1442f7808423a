//! Rules of a peer: its policy, and which of its flaws are mended.

use std::fmt;
use std::str::FromStr;

/// AIBrix's policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// `slo`: the least loaded pod that has room; otherwise wait.
    Pull,
    /// `slo-least-load`: the least loaded pod, at once.
    Push,
    /// `slo-pack-load`: the most loaded pod that has room; otherwise wait.
    Pack,
}

/// Treatment of requests that are expected to miss their objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// They go first, the latest of them at the head (AIBrix).
    First,
    /// They go after all others.
    Last,
    /// They are refused.
    Shed,
}

/// A policy of AIBrix, and what of it is mended; nothing, for a faithful one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The policy.
    pub strategy: Strategy,
    /// One estimate for all uses, made when a request comes: loads and slacks are means over the predictor's answers.
    pub mean: bool,
    /// The predictor starts empty. Otherwise it has seen a window's answers: from an empty one AIBrix does not recover, since
    /// it refuses what it predicts to be one token long, and so never learns better.
    pub cold: bool,
    /// The true output lengths in place of any estimate.
    pub true_lengths: bool,
    /// A pod's capacity is not 1.0 but learned from the latencies seen.
    pub learned_capacity: bool,
    /// Profiles at the 90th percentile.
    pub p90: bool,
    /// Treatment of late requests.
    pub overdue: Overdue,
    /// No request takes more than a pod, and one of a cell without a rate takes what the nearest cell with one says.
    pub feasible: bool,
    /// Waiting requests are looked at whenever any ends, and each 100 ms.
    pub wake: bool,
}

// === impl Strategy ===

impl Strategy {
    const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Pack];

    const fn name(self) -> &'static str {
        match self {
            Self::Pull => "aibrix-slo",
            Self::Push => "aibrix-slo-least-load",
            Self::Pack => "aibrix-slo-pack-load",
        }
    }
}

// === impl Rules ===

impl Rules {
    /// As AIBrix has it.
    pub const fn faithful(strategy: Strategy) -> Self {
        Self {
            strategy,
            mean: false,
            cold: false,
            true_lengths: false,
            learned_capacity: false,
            p90: false,
            overdue: Overdue::First,
            feasible: false,
            wake: false,
        }
    }

    /// With all that is mended; late requests are shed.
    pub const fn repaired(strategy: Strategy) -> Self {
        Self {
            strategy,
            mean: true,
            cold: false,
            true_lengths: false,
            learned_capacity: true,
            p90: true,
            overdue: Overdue::Shed,
            feasible: true,
            wake: true,
        }
    }

    /// The three policies as they are.
    pub fn all_faithful() -> impl Iterator<Item = Self> {
        Strategy::ALL.into_iter().map(Self::faithful)
    }

    /// Lists what is mended, by the names that [`FromStr`] knows.
    fn mended(&self) -> impl Iterator<Item = &'static str> {
        let parts = [
            ("cold", self.cold),
            ("mean", self.mean),
            ("true-lengths", self.true_lengths),
            ("learned", self.learned_capacity),
            ("p90", self.p90),
            ("last", self.overdue == Overdue::Last),
            ("shed", self.overdue == Overdue::Shed),
            ("feasible", self.feasible),
            ("wake", self.wake),
        ];
        parts.into_iter().filter_map(|(name, mended)| mended.then_some(name))
    }

    fn mend(&mut self, part: &str) -> Result<(), String> {
        match part {
            "repaired" => *self = Self::repaired(self.strategy),
            "cold" => self.cold = true,
            "mean" => self.mean = true,
            "true-lengths" => self.true_lengths = true,
            "learned" => self.learned_capacity = true,
            "p90" => self.p90 = true,
            "first" => self.overdue = Overdue::First,
            "last" => self.overdue = Overdue::Last,
            "shed" => self.overdue = Overdue::Shed,
            "feasible" => self.feasible = true,
            "wake" => self.wake = true,
            other => return Err(format!("{other:?} is nothing that can be mended")),
        }
        Ok(())
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.strategy.name())?;
        if *self == Self::repaired(self.strategy) {
            return f.write_str("+repaired");
        }
        self.mended().try_for_each(|part| write!(f, "+{part}"))
    }
}

/// `aibrix-slo`, or with parts that are mended: `aibrix-slo+mean+p90`, `aibrix-slo+repaired`.
impl FromStr for Rules {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('+');
        let name = parts.next().unwrap_or_default();
        let strategy = Strategy::ALL.into_iter().find(|strategy| strategy.name() == name);
        let mut rules = Self::faithful(strategy.ok_or_else(|| format!("unknown policy {name:?}"))?);
        parts.try_for_each(|part| rules.mend(part))?;
        Ok(rules)
    }
}
