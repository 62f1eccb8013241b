//! `--requirements` and its kin.

use super::duration::parse_duration;
use super::failure::Failure;
use super::options::{Options, print};
use crate::boot::{Boot, Installer, Report, Requirements, RequirementsOptions, Step};
use crate::command::ExecPlan;

/// What is to be installed for the command of this plan, if anything.
pub(super) fn step(options: &Options, plan: &ExecPlan) -> Result<Option<Step>, Failure> {
    let requirements = Requirements::plan(&checked(options)?, plan)?;
    Ok(requirements.map(Box::new).map(Step::Requirements))
}

/// `--requirements-check`.
pub(super) fn report(boot: &Boot) -> Result<u8, Failure> {
    let report = boot.steps.iter().find_map(|step| match step {
        Step::Requirements(requirements) => Some(requirements.report()),
        _ => None,
    });
    let report = report.unwrap_or_else(Report::nothing);
    print(&report.to_string())?;
    Ok(if report.is_there { 0 } else { 1 })
}

/// The options that are about requirements, checked.
fn checked(options: &Options) -> Result<RequirementsOptions, Failure> {
    let installer = match &options.installer {
        None => None,
        Some(name) => Some(name.to_str().and_then(Installer::named).ok_or_else(|| {
            let why = format!("option --installer is neither uv nor pip: {name:?}");
            Failure::usage(why, Some("leave it out for uv if it is there, else pip".into()))
        })?),
    };
    let timeout = match &options.requirements_timeout {
        None => None,
        Some(text) => Some(parse_duration("--requirements-timeout", text)?),
    };
    if options.project.is_none() && !options.extras.is_empty() {
        let why = "option --extras is about a project, and there is no --project";
        return Err(Failure::usage(why, Some("name its directory: --project DIR".into())));
    }
    // As a twin has it: with commas between them.
    let extras = options.extras.iter().flat_map(|list| {
        let list = list.to_string_lossy().into_owned();
        let words: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
        words
    });
    Ok(RequirementsOptions {
        files: options.requirements.clone(),
        skip: options.no_requirements,
        project: options.project.clone(),
        extras: extras.filter(|extra| !extra.is_empty()).collect(),
        wheelhouse: options.wheelhouse.clone(),
        site: options.site.clone(),
        installer,
        install_user: options.install_user.clone(),
        keep_cache: options.keep_cache,
        timeout,
        quiet: options.quiet,
        ..RequirementsOptions::default()
    })
}
