//! Statements about models that come through psql. A model has an owner: one of a file is changed
//! in its file, one of psql lives in the control store.

use std::sync::Weak;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Jobs;
use super::error::RunError;
use super::lease::Held;
use super::materialise::{Target, logical_plan, session};
use super::state::PublishedState;
use crate::declare::graph;
use crate::declare::model::{Model, ModelStatement};
use crate::domain::TableName;
use crate::lake::ErrorKind;
use crate::lake::catalog::{Guard, Swap, SwapOutcome};
use crate::lake::control::StoredModel;
use crate::query::statement::ModelAdmin;
use crate::query::{QueryError, QueryErrorKind};

/// The jobs room as the engine sees it. Weak: the engine must not keep alive what keeps it alive.
#[derive(Debug)]
pub(super) struct Admin(pub Weak<Jobs>);

#[async_trait]
impl ModelAdmin for Admin {
    async fn execute(&self, user: &str, statement: &ModelStatement) -> Result<String, QueryError> {
        let jobs = self.0.upgrade().ok_or_else(|| {
            QueryError::new(QueryErrorKind::Unavailable, "the process is shutting down")
        })?;
        match statement {
            ModelStatement::Create {
                model,
                or_replace,
                if_not_exists,
                ..
            } => jobs.create(user, model, *or_replace, *if_not_exists).await,
            ModelStatement::Refresh { name } => jobs.refresh(name).await,
            ModelStatement::Alter { name, set } => jobs.alter(user, name, set).await,
            ModelStatement::Drop { name, if_exists } => jobs.drop_model(name, *if_exists).await,
        }
    }
}

fn refused(message: impl Into<String>) -> QueryError {
    QueryError::new(QueryErrorKind::ObjectNotInPrerequisiteState, message)
}

fn owned_by_file(model: &Model) -> Option<QueryError> {
    let file = model.file.as_ref()?;
    let hint = format!("Change {} and start frazil again.", file.display());
    Some(refused(format!("{} is defined in a file", model.name)).with_hint(hint))
}

impl Jobs {
    async fn find(&self, name: &TableName) -> Result<Option<Model>, QueryError> {
        let models = self.models().await?;
        Ok(models.into_iter().find(|model| model.name == *name))
    }

    async fn known(&self, name: &TableName) -> Result<Model, QueryError> {
        self.find(name).await?.ok_or_else(|| {
            let message = format!("there is no materialized view {name}");
            QueryError::new(QueryErrorKind::UndefinedTable, message)
        })
    }

    /// Everything that can be wrong with a definition, told before it is stored.
    async fn check(&self, model: &Model) -> Result<(), QueryError> {
        let mut models = self.models().await?;
        models.retain(|other| other.name != model.name);
        models.push(model.clone());
        if let Err(circle) = graph::order(&models) {
            let names: Vec<String> = circle.iter().map(ToString::to_string).collect();
            let message = format!(
                "models would read each other in a circle: {}",
                names.join(" reads ")
            );
            return Err(refused(message));
        }
        let lake = self.engine.lake();
        let base = match lake.table(&model.name).await {
            Ok(table) => Some(table),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(table) = &base {
            let own = PublishedState::of(table).map_err(refused)?;
            if own.is_none_or(|state| state.model != model.name) {
                let message = format!(
                    "there is a table {} already, which is no model's",
                    model.name
                );
                return Err(QueryError::new(QueryErrorKind::DuplicateObject, message));
            }
        }
        let checked = async {
            let session = session(&self.engine, model)?;
            let plan = logical_plan(&session, model).await?;
            let fields = plan.schema().as_arrow().fields().clone();
            Target::of(lake, model, base.as_ref(), &fields)
        };
        checked
            .await
            .map(|_| ())
            .map_err(RunError::into_query_error)
    }

    async fn store(&self, user: &str, model: &Model) -> Result<(), QueryError> {
        let lake = self.engine.lake();
        let stored = StoredModel {
            name: model.name.to_string(),
            statement: model.statement.clone(),
            owner: user.to_owned(),
            changed_at_ms: lake.clock.now_ms(),
        };
        Ok(lake.control.put_model(&stored).await?)
    }

    /// Stores the model and runs it; as in Postgres, one whose first run fails is not made.
    async fn create(
        &self,
        user: &str,
        model: &Model,
        or_replace: bool,
        if_not_exists: bool,
    ) -> Result<String, QueryError> {
        let existing = self.find(&model.name).await?;
        if let Some(existing) = &existing {
            if if_not_exists {
                return Ok("CREATE MATERIALIZED VIEW".to_owned());
            }
            if let Some(error) = owned_by_file(existing) {
                return Err(error);
            }
            if !or_replace {
                let message = format!("materialized view {} exists already", model.name);
                return Err(QueryError::new(QueryErrorKind::DuplicateObject, message));
            }
        }
        self.check(model).await?;
        self.store(user, model).await?;
        if let Err(error) = self.refresh(&model.name).await {
            match &existing {
                Some(existing) => self.store(user, existing).await?,
                None => {
                    let name = model.name.to_string();
                    self.engine.lake().control.drop_model(&name).await?;
                }
            }
            return Err(error);
        }
        Ok("CREATE MATERIALIZED VIEW".to_owned())
    }

    /// Runs the model now and waits for its end.
    pub(super) async fn refresh(&self, name: &TableName) -> Result<String, QueryError> {
        let model = self.known(name).await?;
        let stop = CancellationToken::new();
        match self.run_waiting(&model, &stop).await {
            Ok((_, None)) => Ok("REFRESH MATERIALIZED VIEW".to_owned()),
            Ok((_, Some(error))) | Err(error) => Err(error.into_query_error()),
        }
    }

    async fn alter(
        &self,
        user: &str,
        name: &TableName,
        set: &[(String, String)],
    ) -> Result<String, QueryError> {
        let model = self.known(name).await?;
        if let Some(error) = owned_by_file(&model) {
            return Err(error);
        }
        let altered = model
            .altered(set)
            .map_err(|message| QueryError::new(QueryErrorKind::InvalidParameter, message))?;
        self.check(&altered).await?;
        self.store(user, &altered).await?;
        Ok("ALTER MATERIALIZED VIEW".to_owned())
    }

    /// Forgets the model, then its table. The files are left to orphan removal.
    async fn drop_model(&self, name: &TableName, if_exists: bool) -> Result<String, QueryError> {
        const TAG: &str = "DROP MATERIALIZED VIEW";
        let models = self.models().await?;
        match models.iter().find(|model| model.name == *name) {
            Some(model) => owned_by_file(model).map_or(Ok(()), Err)?,
            // The table of a model whose file was taken away is dropped as one of psql's.
            None if self.is_left_behind(name).await? => {}
            None if if_exists => return Ok(TAG.to_owned()),
            None => return self.known(name).await.map(|_| TAG.to_owned()),
        }
        if let Some(reader) = models.iter().find(|other| other.sources.contains(name)) {
            return Err(refused(format!(
                "{} reads {name}: drop that first",
                reader.name
            )));
        }
        let lake = self.engine.lake();
        let holder = format!("{}/drop-{}", self.options.holder, lake.entropy.uuid());
        let held = Held::acquire(lake, name, &holder, self.options.lease_ttl).await?;
        let held =
            held.ok_or_else(|| refused(format!("{name} is being run: try again when it ended")))?;
        let dropped = self.drop_held(name, &held).await;
        held.release().await;
        dropped.map(|()| TAG.to_owned())
    }

    /// Whether there is a table that a model of this name filled.
    async fn is_left_behind(&self, name: &TableName) -> Result<bool, QueryError> {
        let Some(table) = self.engine.lake().find(name).await? else {
            return Ok(false);
        };
        let own = PublishedState::of(&table).map_err(refused)?;
        Ok(own.is_some_and(|state| state.model == *name))
    }

    /// With the lease, and its guard in the swap, no run can put the table back.
    async fn drop_held(&self, name: &TableName, held: &Held) -> Result<(), QueryError> {
        let lake = self.engine.lake();
        lake.control.drop_model(&name.to_string()).await?;
        let Some(pointer) = lake.catalog.load(name).await? else {
            return Ok(());
        };
        let table = lake.table(name).await?;
        let own = PublishedState::of(&table).map_err(refused)?;
        if own.is_none_or(|state| state.model != *name) {
            return Ok(());
        }
        let swap = Swap {
            table: name.clone(),
            expected: Some(pointer.metadata_location),
            new: None,
            edit: None,
        };
        let guards = [Guard::Lease(held.lease().clone())];
        match lake.catalog.swap(&[swap], &guards).await? {
            SwapOutcome::Swapped => Ok(()),
            SwapOutcome::Moved(_) | SwapOutcome::GuardFailed(_) => Err(QueryError::new(
                QueryErrorKind::SerializationFailure,
                format!(
                    "the model {name} is dropped, its table was changed meanwhile and stays: create and drop it again to drop the table"
                ),
            )),
        }
    }
}
