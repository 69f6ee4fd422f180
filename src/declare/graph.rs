//! Which model reads which: the order to run them in, and circles.

use std::collections::BTreeMap;

use super::model::Model;
use crate::domain::TableName;

/// Indexes of the models, each behind those that it reads; models that don't know each other
/// stay in the order given. A circle comes back as the names along it, the first one twice.
pub fn order(models: &[Model]) -> Result<Vec<usize>, Vec<TableName>> {
    let by_name: BTreeMap<&TableName, usize> = models
        .iter()
        .enumerate()
        .map(|(index, model)| (&model.name, index))
        .collect();
    let mut walk = Walk {
        models,
        by_name,
        states: vec![State::Fresh; models.len()],
        path: Vec::new(),
        order: Vec::new(),
    };
    for index in 0..models.len() {
        walk.visit(index)?;
    }
    Ok(walk.order)
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Fresh,
    OnPath,
    Done,
}

struct Walk<'a> {
    models: &'a [Model],
    by_name: BTreeMap<&'a TableName, usize>,
    states: Vec<State>,
    path: Vec<usize>,
    order: Vec<usize>,
}

impl Walk<'_> {
    /// Depth first; as deep as the longest chain of models.
    fn visit(&mut self, index: usize) -> Result<(), Vec<TableName>> {
        match self.states[index] {
            State::Done => return Ok(()),
            State::OnPath => {
                let start = self.path.iter().position(|on| *on == index).unwrap_or(0);
                let circle = self.path[start..].iter().chain([&index]);
                return Err(circle.map(|on| self.models[*on].name.clone()).collect());
            }
            State::Fresh => {}
        }
        self.states[index] = State::OnPath;
        self.path.push(index);
        for source in &self.models[index].sources {
            if let Some(next) = self.by_name.get(source).copied() {
                self.visit(next)?;
            }
        }
        self.path.pop();
        self.states[index] = State::Done;
        self.order.push(index);
        Ok(())
    }
}
