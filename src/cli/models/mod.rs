//! `vigie models`: what forests there are, and carrying them from one vigie to another.
#![allow(clippy::print_stdout, reason = "printing is what these commands are for")]

#[cfg(feature = "demo")]
mod build;
#[cfg(feature = "train")]
mod families;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Subcommand;

use crate::{
    config::Config,
    engine::{ModelFile, ModelList, Prior, Snapshot},
    fleet::Keeper,
    journal,
    server::ModelsView,
    signal::TenantId,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the forests of a tenant
    List {
        #[command(flatten)]
        source: Source,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one forest: from what it was trained, and how it judges
    Show {
        /// The metric
        family: String,
        #[command(flatten)]
        source: Source,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write forests from the state of a stopped daemon into a file
    Export {
        #[command(flatten)]
        place: Place,
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Metrics to export [default: all]; may be given more than once
        #[arg(long, value_name = "METRIC")]
        family: Vec<String>,
    },
    /// Put the forests of a file into the state of a stopped daemon
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Train the prior that ships with vigie on simulated shops
    #[cfg(feature = "demo")]
    Build(build::Args),
    /// Train the classifier of error families that ships with vigie
    #[cfg(feature = "train")]
    Families(families::Args),
}

/// State on disk, and whose.
#[derive(Debug, clap::Args)]
struct Place {
    /// Directory of the daemon's state [default: ./vigie-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Whose models
    #[arg(long, value_name = "TENANT", default_value = "default", value_parser = TenantId::parse)]
    tenant: TenantId,
}

/// Where models are looked for.
#[derive(Debug, clap::Args)]
struct Source {
    #[command(flatten)]
    place: Place,
    /// Ask the daemon that runs there instead, such as http://127.0.0.1:9797
    #[cfg(feature = "client")]
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    url: Option<String>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { source, json } => {
            let view = source.models()?;
            if json {
                println!("{}", serde_json::to_string_pretty(&view)?);
            } else {
                print!("{}", table::list(&view));
            }
        }
        Command::Show { family, source, json } => {
            let view = source.models()?;
            let found = view.items.into_iter().find(|model| model.family == family);
            let Some(model) = found else { bail!("there is no forest of {family:?}; see `vigie models list`") };
            if json {
                println!("{}", serde_json::to_string_pretty(&model)?);
            } else {
                print!("{}", table::one(&model));
            }
        }
        Command::Export { place, out, family } => {
            let file = export(&place, &family)?;
            write(&out, &file)?;
            println!("{}: {}", out.display(), forests(file.models.len()));
        }
        Command::Import { file, place } => {
            let count = import(&place, &file)?;
            println!("{} of {} in {}", forests(count), file.display(), place.dir().display());
        }
        #[cfg(feature = "demo")]
        Command::Build(args) => build::run(&args)?,
        #[cfg(feature = "train")]
        Command::Families(args) => families::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn forests(count: usize) -> String {
    format!("{count} forest{}", if count == 1 { "" } else { "s" })
}

impl Place {
    fn dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| Config::default().data_dir)
    }

    fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let dir = self.dir();
        let found = journal::load(&dir, Snapshot::read)?;
        found
            .map(|found| found.value)
            .with_context(|| format!("there is no state in {}; name the directory with --data-dir", dir.display()))
    }
}

impl Source {
    fn models(&self) -> anyhow::Result<ModelsView> {
        #[cfg(feature = "client")]
        if let Some(url) = &self.url {
            return ask(url, &self.place.tenant);
        }
        let snapshot = self.place.snapshot()?;
        let prior = Prior::shipped().map(|prior| *prior.record());
        Ok(ModelList { prior, ..snapshot.models(&self.place.tenant) }.into())
    }
}

/// Asks a running daemon.
#[cfg(feature = "client")]
fn ask(url: &str, tenant: &TenantId) -> anyhow::Result<ModelsView> {
    let url = format!("{}/api/v1/models", url.trim_end_matches('/'));
    // Installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
        let answer = client.get(&url).header("X-Scope-OrgID", tenant.as_str()).send().await;
        let answer = answer.with_context(|| format!("cannot ask {url}"))?;
        let status = answer.status();
        let body = answer.text().await.with_context(|| format!("the answer of {url} breaks off"))?;
        if !status.is_success() {
            bail!("{url} answers {status}: {}", body.trim());
        }
        serde_json::from_str(&body).with_context(|| format!("{url} does not answer as a vigie does"))
    })
}

/// The tenant's forests of these metrics, or of all.
fn export(place: &Place, families: &[String]) -> anyhow::Result<ModelFile> {
    let wanted = |family: &str| families.is_empty() || families.iter().any(|wanted| wanted == family);
    let file = place.snapshot()?.export_models(&place.tenant, wanted);
    if let Some(absent) = families.iter().find(|family| !file.models.iter().any(|model| model.family == **family)) {
        bail!("there is no forest of {absent:?}; see `vigie models list`");
    }
    if file.models.is_empty() {
        bail!("tenant {} has no forests yet", place.tenant.as_str());
    }
    Ok(file)
}

/// Puts the forests of a file into the state, which is begun if there is none.
fn import(place: &Place, path: &Path) -> anyhow::Result<usize> {
    let file = read(path)?;
    if file.models.is_empty() {
        bail!("{} holds no forests of metrics", path.display());
    }
    let dir = place.dir();
    let _alone = Keeper::lock(&dir)?;
    let (mut snapshot, position) =
        journal::load(&dir, Snapshot::read)?.map_or_else(Default::default, |found| (found.value, found.position));
    let count = snapshot.import_models(&place.tenant, file);
    journal::save(&dir, position, |writer| snapshot.write(writer))?;
    Ok(count)
}

fn read(path: &Path) -> anyhow::Result<ModelFile> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    ModelFile::decode(&bytes).with_context(|| format!("cannot use {}", path.display()))
}

fn write(path: &Path, file: &ModelFile) -> anyhow::Result<()> {
    fs::write(path, file.encode()?).with_context(|| format!("cannot write {}", path.display()))
}
