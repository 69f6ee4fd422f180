//! The upkeep and jobs roles as services.

use std::sync::Arc;

use super::process::Shared;
use super::supervisor::{Service, Stage};
use crate::jobs::{Jobs, JobsOptions};
use crate::upkeep;

pub(super) fn upkeep_service(shared: &Shared) -> Service {
    let mut options = upkeep::Options::new(&shared.config.upkeep, shared.holder.clone());
    options.totals = Arc::clone(&shared.upkeep);
    let lake = shared.lake.clone();
    Service::new("upkeep", Stage::Upkeep, move |stop| async move {
        upkeep::run(lake, options, stop).await;
        Ok(())
    })
}

/// Who runs models, and carries out statements about them.
pub(super) fn jobs(shared: &Shared) -> Arc<Jobs> {
    let options = JobsOptions::new(shared.holder.clone(), &shared.config.models);
    let models = shared.declared.models.clone();
    Jobs::new(Arc::clone(&shared.engine), models, options)
}

pub(super) fn jobs_service(jobs: Arc<Jobs>) -> Service {
    Service::new("jobs", Stage::Jobs, move |stop| async move {
        jobs.run(stop).await;
        Ok(())
    })
}
