//! Rows made to fit, refused, and brought to their partitions.

use super::*;

#[tokio::test]
async fn nested_rows_of_a_stranger_are_made_to_fit() {
    let table = Layout::of(shop()).table();
    let ids: Vec<i64> = (1..=10).collect();
    let files = write(&table, vec![shop_rows(&ids, &[1; 10])]).await;
    let file = &files[0];
    let category = id_of(&table, "properties.category");
    assert_eq!(file.lower_bounds()[&category], Datum::string("c0"));
    assert_eq!(file.upper_bounds()[&category], Datum::string("c2"));
    assert_eq!(
        file.null_value_counts()[&category],
        2,
        "a null struct has a null child"
    );
    let score = id_of(&table, "properties.score");
    // 2, 4, 6, 8: 10 is under a null struct.
    assert_eq!(file.nan_value_counts()[&score], 4);
    let element = id_of(&table, "tags.element");
    assert!(
        !file.lower_bounds().contains_key(&element) && !file.value_counts().contains_key(&element)
    );
    assert!(file.column_sizes()[&element] > 0);

    let batches = read(&table, file).await;
    let schema = batches[0].schema();
    let ids_in_file: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| conform::field_id(field).unwrap())
        .collect();
    let wanted = ["id", "at", "properties", "tags"].map(|name| id_of(&table, name));
    assert_eq!(ids_in_file, wanted);
    assert_eq!(
        batches[0].column(0).as_primitive::<Int64Type>().values(),
        ids.as_slice()
    );
    let amount = batches[0]
        .column(2)
        .as_struct()
        .column_by_name("amount")
        .unwrap();
    assert_eq!(amount.null_count(), 10, "a column that was not given");
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let table = Layout::of(shop()).table();
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let bad: Vec<(Vec<(&str, ArrayRef)>, &str)> = vec![
        (
            vec![("id", id.clone()), ("other", id.clone())],
            "no column other",
        ),
        (
            vec![(
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC")),
            )],
            "id is required",
        ),
        (vec![("id", Arc::new(Int64Array::from(vec![None])))], "null"),
        (
            vec![("id", Arc::new(Float64Array::from(vec![1.5])))],
            "the column id is Float64",
        ),
        (
            vec![("id", id.clone()), ("at", id)],
            "the column at is Int64",
        ),
    ];
    for (columns, reason) in bad {
        let mut writer = TableWriter::new(&table).unwrap();
        let error = writer.write(rows(columns)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().contains("a.t"), "{error}");
    }
}

#[tokio::test]
async fn rows_go_to_their_partitions_in_order() {
    let layout = Layout {
        partition: vec![
            (2, "day", Transform::Day),
            (4, "cat", Transform::Identity),
            (1, "b", Transform::Bucket(4)),
        ],
        sort: vec![1],
        ..Layout::of(shop())
    };
    let table = layout.table();
    let ids: Vec<i64> = (0..200).rev().collect();
    let days: Vec<i64> = ids.iter().map(|id| id % 2).collect();
    // In batches whose rows lie between each other's.
    let every = |third: usize| {
        let pick = |of: &[i64]| {
            of.iter()
                .skip(third)
                .step_by(3)
                .copied()
                .collect::<Vec<_>>()
        };
        shop_rows(&pick(&ids), &pick(&days))
    };
    let files = write(&table, (0..3).map(every).collect()).await;
    let mut seen = BTreeSet::new();
    for file in &files {
        assert_eq!(file.sort_order_id(), Some(1));
        let day = match file.partition().iter().next().unwrap() {
            Some(Literal::Primitive(PrimitiveLiteral::Int(day))) => i64::from(*day),
            other => panic!("{other:?}"),
        };
        let category = match file.partition().iter().nth(1).unwrap() {
            Some(Literal::Primitive(PrimitiveLiteral::String(text))) => Some(text.clone()),
            None => None,
            other => panic!("{other:?}"),
        };
        let mut last = i64::MIN;
        for batch in read(&table, file).await {
            for id in batch.column(0).as_primitive::<Int64Type>().values() {
                assert_eq!(id % 2, day);
                let expected = (id % 5 != 0).then(|| format!("c{}", id % 3));
                assert_eq!(category, expected, "row {id}");
                assert!(*id > last, "sorted");
                last = *id;
                seen.insert(*id);
            }
        }
        assert!(
            file.file_path()
                .contains(&format!("/data/day=1970-01-0{}/cat=", day + 1)),
            "{}",
            file.file_path()
        );
    }
    assert_eq!(seen.len(), 200);
    let partitions: BTreeSet<_> = files
        .iter()
        .map(|file| format!("{:?}", file.partition()))
        .collect();
    assert_eq!(partitions.len(), files.len(), "one file for each");
}

/// Nulls, NaN and both zeros stand where Iceberg's order has them; a file that fills is sorted too.
#[tokio::test]
async fn files_are_sorted_whole_within_bounded_memory() {
    let layout = Layout {
        sort: vec![1],
        ..Layout::of(vec![optional(1, "x", PrimitiveType::Double)])
    };
    let table = layout.table();
    let values = |round: u32| {
        let numbers = (0..1_000).map(move |i| Some(f64::from((i * 7_919 + round) % 1_009)));
        let odd = [
            None,
            Some(f64::NAN),
            Some(-0.0),
            Some(0.0),
            Some(f64::NEG_INFINITY),
        ];
        Float64Array::from_iter(numbers.chain(odd))
    };
    let mut writer = TableWriter::new(&table).unwrap();
    writer.options.max_open_bytes = 100_000;
    for round in 0..40 {
        let column: ArrayRef = Arc::new(values(round));
        writer.write(rows(vec![("x", column)])).await.unwrap();
        assert!(writer.memory_bytes() <= 100_000);
    }
    let files = writer.finish().await.unwrap();
    assert!((3..40).contains(&files.len()), "{} files", files.len());
    let mut total = 0;
    for file in &files {
        assert_eq!(file.sort_order_id(), Some(1));
        let read = read(&table, file).await;
        let column: Vec<Option<f64>> = read
            .iter()
            .flat_map(|batch| batch.column(0).as_primitive::<Float64Type>().iter())
            .collect();
        let before = |a: &Option<f64>, b: &Option<f64>| match (a, b) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(a), Some(b)) => a.total_cmp(b).is_le(),
        };
        assert!(column.windows(2).all(|pair| before(&pair[0], &pair[1])));
        total += column.len();
    }
    assert_eq!(total, 40 * 1_005);
}

#[tokio::test]
async fn partition_values_never_become_path_segments() {
    let layout = Layout {
        partition: vec![(1, "s", Transform::Identity)],
        ..Layout::of(vec![optional(1, "s", PrimitiveType::String)])
    };
    let table = layout.table();
    let odd = StringArray::from(vec![Some("../x"), Some("a/b c%20"), None, Some("")]);
    let files = write(&table, vec![rows(vec![("s", Arc::new(odd))])]).await;
    assert_eq!(files.len(), 4);
    for file in &files {
        assert_eq!(
            file.file_path().split('/').count(),
            "/wh/a/t/data/s=/f".split('/').count()
        );
        assert!(table.store().exists(file.file_path()).await.unwrap());
    }
}
