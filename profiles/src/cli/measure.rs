//! `slo-profile measure`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Map, Value};
use slo_profile::client::{ClientOptions, Endpoint, HttpServer};
use slo_profile::grid::Grid;
use slo_profile::measure::{Campaign, Finished, Plan, Sampling};
use slo_profile::measurement::{Appender, Header, Measurements, Point, Source};

use super::options::{ObjectiveOptions, time};
use super::progress::{Display, print_plan};

#[derive(Args)]
pub(crate) struct Options {
    /// The server: http://HOST:PORT, with or without /v1.
    #[arg(long)]
    url: String,
    /// The model's name, as requests give it.
    #[arg(long)]
    model: String,
    /// Deployment whose profile it will be: NAMESPACE/NAME.
    #[arg(long)]
    deployment: String,
    /// The measurements file; if it exists, measuring goes on where it ended. Default: NAME.measurements.jsonl.
    #[arg(long, short)]
    out: Option<PathBuf>,
    #[command(flatten)]
    objective: ObjectiveOptions,
    /// Output lengths, tokens.
    #[arg(long, value_delimiter = ',', default_value = "16,32,64,128,256,512")]
    outputs: Vec<u32>,
    /// Prompt lengths, tokens.
    #[arg(long, value_delimiter = ',', default_value = "64,128,256,512,1024,2048,4096")]
    inputs: Vec<u32>,
    /// Requests that a rate near the limit is measured with, at least.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(50..))]
    requests: u16,
    /// Certainty that a cell's rate has to have: its standard deviation as a share of it.
    #[arg(long, default_value_t = 0.05)]
    precision: f64,
    /// Stop after so long; what is measured by then is kept.
    #[arg(long, value_parser = time)]
    time_budget: Option<Duration>,
    /// Stop before more requests than this are sent, those of interrupted runs included.
    #[arg(long)]
    request_budget: Option<u64>,
    /// Send three requests, print the plan and how long it takes, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Endpoint that is asked.
    #[arg(long, value_enum, default_value_t = Endpoint::Completions)]
    endpoint: Endpoint,
    /// Bearer token.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// JSON fields to add to each request, such as '{"temperature": 0}'.
    #[arg(long, default_value = "{}", value_parser = object)]
    extra_body: Map<String, Value>,
    /// Prompt tokens that all prompts begin with alike, to measure with a warm prefix cache; distinct prompts otherwise.
    #[arg(long, default_value_t = 0)]
    shared_prefix_tokens: u32,
    /// An answer that is silent for longer has stalled.
    #[arg(long, default_value = "60s", value_parser = time)]
    stall_after: Duration,
    /// Time for which the server may be gone, or busy with others, before measuring stops.
    #[arg(long, default_value = "60s", value_parser = time)]
    patience: Duration,
    /// Seed of the arrivals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Requests of a look at a rate that may be far off.
const LOOK: usize = 40;
/// Requests completed before a window begins, at least.
const WARM_UP: usize = 10;

// === impl Options ===

impl Options {
    pub(crate) fn run(self) -> Result<ExitCode> {
        // Requests must not wait for one another's parsing.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.measure())
    }

    async fn measure(self) -> Result<ExitCode> {
        let campaign = self.campaign()?;
        let mut server = HttpServer::new(&self.client()).context("cannot set up the HTTP client")?;
        let learned = server.learn().await?;
        let or = |fact: bool, otherwise: &'static str| if fact { "" } else { otherwise };
        println!(
            "{}: {:.2} tokens per word of the prompts{}{}",
            self.url,
            learned.tokens_per_word,
            or(learned.forces_length, "; output lengths cannot be forced, the observed ones are recorded"),
            or(learned.reports_usage, "; no usage reported, lengths are counted from events and estimated from words"),
        );
        if self.dry_run {
            print_plan(&Plan::make(&campaign, &mut server).await?, self.time_budget, self.request_budget);
            return Ok(ExitCode::SUCCESS);
        }
        self.run_campaign(&campaign, &mut server).await
    }

    async fn run_campaign(&self, campaign: &Campaign, server: &mut HttpServer) -> Result<ExitCode> {
        let path = self.out();
        let (mut points, appender) = self.open(&path)?;
        let plan = Plan::make(campaign, server).await?;
        let mut display = Display::new(appender, &plan, campaign.objective, self.time_budget)?;
        let deadline = self.time_budget.unwrap_or(Duration::MAX);
        let ended = tokio::select! {
            ended = campaign.run(server, &mut points, &mut display) => Some(ended),
            // Dropping the campaign cancels all requests; whole points are on disk.
            () = tokio::time::sleep(deadline) => None,
            _ = tokio::signal::ctrl_c() => None,
        };
        display.finish();
        let again = format!("the same command goes on from {}", path.display());
        match ended {
            None => println!("stopped; {again}"),
            Some(Err(error)) => bail!("{error}; what was measured is kept, {again}"),
            Some(Ok(Finished::OutOfRequests)) => println!("the requests are used up; with more, {again}"),
            Some(Ok(Finished::AllCells { given_up: 0 })) => {
                println!("all cells are measured; next: slo-profile build {}", path.display());
                return Ok(ExitCode::SUCCESS);
            }
            Some(Ok(Finished::AllCells { given_up })) => println!("{given_up} cells were given up; {again}"),
        }
        Ok(ExitCode::from(3))
    }

    fn campaign(&self) -> Result<Campaign> {
        let mut grid = Grid { output_tokens: self.outputs.clone(), input_tokens: self.inputs.clone() };
        for axis in [&mut grid.output_tokens, &mut grid.input_tokens] {
            axis.sort_unstable();
            axis.dedup();
            if axis.first().is_none_or(|tokens| *tokens == 0) {
                bail!("--outputs and --inputs: token counts above 0");
            }
        }
        if !(self.precision > 0.0 && self.precision < 1.0) {
            bail!("--precision: above 0 and below 1, such as 0.05");
        }
        Ok(Campaign {
            grid,
            objective: self.objective.objective()?,
            sampling: Sampling { requests: usize::from(self.requests), look: Some(LOOK), warm_up: WARM_UP },
            precision: self.precision,
            seed: self.seed,
            request_budget: self.request_budget,
        })
    }

    fn client(&self) -> ClientOptions {
        ClientOptions {
            url: self.url.clone(),
            endpoint: self.endpoint,
            model: self.model.clone(),
            api_key: self.api_key.clone(),
            extra_body: self.extra_body.clone(),
            shared_prefix_tokens: self.shared_prefix_tokens,
            stall_after: self.stall_after,
            patience: self.patience,
        }
    }

    fn out(&self) -> PathBuf {
        let name = self.deployment.rsplit('/').next().unwrap_or(&self.deployment);
        self.out.clone().unwrap_or_else(|| format!("{name}.measurements.jsonl").into())
    }

    fn open(&self, path: &Path) -> Result<(Vec<Point>, Appender)> {
        let source = Source::Measured {
            url: self.url.clone(),
            seed: self.seed,
            shared_prefix_tokens: self.shared_prefix_tokens,
        };
        let header = Header::new(&self.deployment, &self.model, source);
        if !path.exists() {
            return Ok((Vec::new(), Appender::create(path, &header)?));
        }
        let known = Measurements::load(path)?;
        if known.header != header {
            bail!(
                "{} is of another measurement ({}, model {}, or other options); name another file with --out",
                path.display(),
                known.header.deployment,
                known.header.model
            );
        }
        println!("going on after {} points in {}", known.points.len(), path.display());
        Ok((known.points, Appender::open(path)?))
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))
}
