//! `slo-profile import`, `check` and `show`: from file to file, or to the terminal.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use slo_profile::check::check;
use slo_profile::import::{Format, import};
use slo_profile::measurement::{Header, Measurements, Source};
use slo_profile::show;
use slo_router::scheduling::shape::Shape;

#[derive(Args)]
pub(crate) struct ImportOptions {
    /// Tool that wrote them.
    #[arg(long, value_enum)]
    from: Format,
    /// The results; several files make one set of measurements.
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// Deployment whose profile it will be: NAMESPACE/NAME.
    #[arg(long)]
    deployment: String,
    /// The model's name.
    #[arg(long, default_value = "")]
    model: String,
    /// The cell of all results, OUTPUTxINPUT tokens, where the tool's prompts are only nearly that long.
    #[arg(long, value_parser = shape)]
    shape: Option<Shape>,
    /// The measurements file to write.
    #[arg(long, short)]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct CheckOptions {
    /// A profile, or a document of several.
    #[arg(required = true)]
    profiles: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ShowOptions {
    /// A profile, or a document of several.
    profile: PathBuf,
    /// Draw heat maps as SVG; of several profiles, NAME-DEPLOYMENT.svg each.
    #[arg(long)]
    svg: Option<PathBuf>,
}

// === impl ImportOptions ===

impl ImportOptions {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut points = Vec::new();
        for path in &self.results {
            let text = String::from_utf8(read(path)?).with_context(|| format!("{}: not text", path.display()))?;
            let of_file = import(self.from, &text).map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
            points.extend(of_file);
        }
        if let Some(shape) = self.shape {
            for point in &mut points {
                (point.output_tokens, point.input_tokens) = (shape.output_tokens, shape.input_tokens);
            }
        }
        let source = Source::Imported { from: self.from.tool().to_owned() };
        let measurements = Measurements { header: Header::new(&self.deployment, &self.model, source), points };
        measurements.save(&self.out)?;
        println!("{} points in {}", measurements.points.len(), self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}

// === impl CheckOptions ===

impl CheckOptions {
    /// Fails if the filter would refuse one.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut errors = 0;
        for path in &self.profiles {
            let findings = check(&read(path)?);
            findings.iter().for_each(|finding| println!("{}: {finding}", path.display()));
            errors += findings.iter().filter(|finding| finding.is_error).count();
            if findings.is_empty() {
                println!("{}: nothing to remark", path.display());
            }
        }
        Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

// === impl ShowOptions ===

impl ShowOptions {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let profiles = show::read(&read(&self.profile)?)?;
        for profile in &profiles {
            write(None, &format!("{}\n", show::tables(profile)))?;
            let Some(svg) = &self.svg else { continue };
            let path = if profiles.len() == 1 { svg.clone() } else { beside(svg, &profile.name) };
            write(Some(&path), &show::heat_map(profile)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn beside(svg: &Path, name: &str) -> PathBuf {
    let stem = svg.file_stem().unwrap_or_default().to_string_lossy();
    svg.with_file_name(format!("{stem}-{}.svg", name.replace('/', "-")))
}

fn shape(text: &str) -> Result<Shape, String> {
    let tokens = |text: &str| text.parse().ok().filter(|tokens| *tokens > 0);
    let shape = text.split_once('x').and_then(|(output_tokens, input_tokens)| {
        Some(Shape { output_tokens: tokens(output_tokens)?, input_tokens: tokens(input_tokens)? })
    });
    shape.ok_or_else(|| "expected OUTPUTxINPUT tokens, such as 128x1024".to_owned())
}

/// A file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// To a file, or to standard output.
pub(super) fn write(path: Option<&Path>, text: &str) -> Result<()> {
    match path {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => {
            // A reader that has seen enough, such as `head`, is no failure.
            match std::io::stdout().write_all(text.as_bytes()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(()),
            }
        }
    }
}
