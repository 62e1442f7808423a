//! Results on disk. A cell that was run by the same program with the same effort is not run again; a crossing, which is but a
//! unit of load, stays until its file is deleted.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::crossing::crossing_per_s;
use super::law::Judgement;
use super::trial::{Effort, Runs};
use crate::simulation::scenario::Scenario;

/// See the module.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Cells that run at the same time find a crossing once.
    searching: Mutex<()>,
    program: u64,
}

/// Result of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfCell {
    /// Its name.
    pub cell: String,
    /// Arrivals per second.
    pub rate_per_s: f64,
    /// Number and length of its runs.
    pub effort: Effort,
    /// The program that ran it.
    program: u64,
    /// All laws that apply.
    pub judgements: Vec<Judgement>,
    /// All runs by policy.
    pub runs: Runs,
}

// === impl Store ===

impl Store {
    /// In this folder, for the program that runs.
    ///
    /// # Errors
    /// Where the folder cannot be made or the program cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("crossings")).with_context(|| format!("cannot create {}", folder.display()))?;
        let program = std::env::current_exe().and_then(fs::read).context("cannot read the program itself")?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&program);
        Ok(Self { folder: folder.to_owned(), searching: Mutex::new(()), program: hasher.finish() })
    }

    /// The scenario's crossing, found once.
    ///
    /// # Errors
    /// Where it cannot be found or written.
    pub fn crossing_per_s(&self, scenario: &Scenario) -> Result<f64> {
        let _searching = self.searching.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.folder.join("crossings").join(scenario.name).with_extension("json");
        if let Some(known) = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(known);
        }
        let found = crossing_per_s(scenario).with_context(|| format!("the crossing of {}", scenario.name))?;
        write(&file, &found)?;
        Ok(found)
    }

    /// Returns the stored result of this cell; `None` where another program ran it, or another
    /// effort.
    pub fn read(&self, cell: &str, effort: Effort) -> Option<OfCell> {
        let found: OfCell = serde_json::from_slice(&fs::read(self.file(cell)).ok()?).ok()?;
        (found.program == self.program && found.effort == effort && found.cell == cell).then_some(found)
    }

    /// Keeps what came of a cell.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep(
        &self,
        cell: String,
        rate_per_s: f64,
        effort: Effort,
        judgements: Vec<Judgement>,
        runs: Runs,
    ) -> Result<OfCell> {
        let of_cell = OfCell { cell, rate_per_s, effort, program: self.program, judgements, runs };
        write(&self.file(&of_cell.cell), &of_cell)?;
        Ok(of_cell)
    }

    fn file(&self, cell: &str) -> PathBuf {
        self.folder.join(format!("{}.json", cell.replace('/', "_")))
    }
}

/// Under another name first, so that a command that is stopped leaves no half of a file.
fn write(file: &Path, value: &impl Serialize) -> Result<()> {
    let half = file.with_extension("part");
    fs::write(&half, serde_json::to_vec_pretty(value)?)
        .and_then(|()| fs::rename(&half, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cell_is_known_to_the_program_and_the_effort_that_ran_it_alone() {
        let folder = std::env::temp_dir().join(format!("gauntlet-store-{}", std::process::id()));
        let store = Store::open(&folder).unwrap();
        let kept = store.keep("a@1/w1/none".to_owned(), 2.0, Effort::STANDARD, Vec::new(), Runs::new()).unwrap();
        assert_eq!(store.read("a@1/w1/none", Effort::STANDARD), Some(kept));
        let longer = Effort { measured: Duration::from_secs(600), ..Effort::STANDARD };
        assert_eq!(store.read("a@1/w1/none", longer), None);
        assert_eq!(store.read("b@1/w1/none", Effort::STANDARD), None);
        let other = Store { program: !store.program, ..store };
        assert_eq!(other.read("a@1/w1/none", Effort::STANDARD), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
