//! Kind append: new rows only, once each, and what breaks the cursor.

use super::*;

const COPY: &str = "CREATE MATERIALIZED VIEW c.copy WITH (kind = 'append') AS SELECT id, kind FROM s.e WHERE id < 100";

async fn copied(world: &World) -> Vec<String> {
    world.rows("SELECT id FROM c.copy").await.unwrap()
}

#[tokio::test]
async fn each_row_is_taken_once() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    let jobs = world.jobs(&[COPY]);
    assert_eq!(jobs.once("c.copy").await.rows, Some(2));
    assert_eq!(jobs.once("c.copy").await.rows, None, "nothing new");
    world.add("s.e", &[(3, "c")]).await;
    world.add("s.e", &[(4, "d"), (100, "not wanted")]).await;
    let third = jobs.once("c.copy").await;
    assert_eq!(
        (third.state, third.rows),
        (RunState::Succeeded, Some(2)),
        "{third:?}"
    );
    assert_eq!(copied(&world).await, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn an_overwrite_of_the_source_is_noticed_and_all_is_read_anew() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    let jobs = world.jobs(&[COPY]);
    jobs.once("c.copy").await;
    world.replace("s.e", &[(2, "B"), (5, "e")]).await;
    let record = jobs.once("c.copy").await;
    assert_eq!(record.state, RunState::Succeeded, "{record:?}");
    assert_eq!(
        world.rows("SELECT id, kind FROM c.copy").await.unwrap(),
        ["2 B", "5 e"]
    );
    world.add("s.e", &[(6, "f")]).await;
    assert_eq!(jobs.once("c.copy").await.rows, Some(1), "and then goes on");
    assert_eq!(copied(&world).await, ["2", "5", "6"]);
}

#[tokio::test]
async fn rows_that_others_added_to_the_target_stay() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[COPY]);
    jobs.once("c.copy").await;
    world.add("c.copy", &[(50, "by hand")]).await;
    world.add("s.e", &[(2, "b")]).await;
    assert_eq!(jobs.once("c.copy").await.rows, Some(1));
    assert_eq!(copied(&world).await, ["1", "2", "50"]);
}

#[tokio::test]
async fn a_new_definition_reads_all_anew() {
    let world = world();
    world.add("s.e", &[(1, "a"), (2, "b")]).await;
    world.jobs(&[COPY]).once("c.copy").await;
    let wider = COPY.replace("id < 100", "id < 2");
    assert_eq!(world.jobs(&[&wider]).once("c.copy").await.rows, Some(1));
    assert_eq!(copied(&world).await, ["1"]);
}

#[tokio::test]
async fn a_source_made_again_is_another() {
    let world = world();
    world.add("s.e", &[(1, "a")]).await;
    let jobs = world.jobs(&[COPY]);
    jobs.once("c.copy").await;
    let pointer = world
        .lake
        .catalog
        .load(&name("s.e"))
        .await
        .unwrap()
        .unwrap();
    let swap = crate::lake::catalog::Swap {
        table: name("s.e"),
        expected: Some(pointer.metadata_location),
        new: None,
        edit: None,
    };
    world.lake.catalog.swap(&[swap], &[]).await.unwrap();
    world.add("s.e", &[(9, "z")]).await;
    assert_eq!(jobs.once("c.copy").await.state, RunState::Succeeded);
    assert_eq!(copied(&world).await, ["9"]);
}
