//! Bounds and counts: what readers prune by.

use super::*;

/// The trap: one row group of long texts beside short ones. Bounds of the short ones alone would
/// make every engine that prunes lose the long ones.
#[tokio::test]
async fn bounds_enclose_long_texts_beside_short_ones() {
    let table = Layout::of(vec![
        optional(1, "s", PrimitiveType::String),
        optional(2, "b", PrimitiveType::Binary),
    ])
    .set("write.parquet.row-group-size-bytes", "1")
    .table();
    let high = "\u{10ffff}".repeat(40);
    let groups: [&[&str]; 4] = [
        &["m", "n"],
        &[
            &format!("a{}", "x".repeat(100)),
            &format!("z{}", "y".repeat(100)),
        ],
        &["k", "l"],
        &[&high],
    ];
    for count in 1..=groups.len() {
        let texts = &groups[..count];
        let batches = texts.iter().map(|group| {
            let bytes: Vec<&[u8]> = group.iter().map(|text| text.as_bytes()).collect();
            rows(vec![
                ("s", Arc::new(StringArray::from(group.to_vec()))),
                ("b", Arc::new(BinaryArray::from(bytes))),
            ])
        });
        let files = write(&table, batches.collect()).await;
        let file = &files[0];
        assert_eq!(
            file.split_offsets().unwrap().len(),
            count,
            "a row group for each batch"
        );
        let least = *texts.concat().iter().min().unwrap();
        let most = *texts.concat().iter().max().unwrap();
        assert!(file.lower_bounds()[&1] <= Datum::string(least));
        assert!(file.lower_bounds()[&2] <= Datum::binary(least.bytes()));
        match file.upper_bounds().get(&1) {
            Some(upper) => assert!(*upper >= Datum::string(most), "{upper}"),
            None => assert_eq!(count, 4, "only where no text is above"),
        }
        assert!(file.upper_bounds()[&2] >= Datum::binary(most.bytes()));
        for datum in file.lower_bounds().values() {
            assert!(datum.to_bytes().unwrap().len() <= 64);
        }
    }
}

#[tokio::test]
async fn numbers_have_exact_counts_and_bounds() {
    let decimal = |precision, scale| PrimitiveType::Decimal { precision, scale };
    let table = Layout::of(vec![
        optional(1, "f", PrimitiveType::Float),
        optional(2, "d", PrimitiveType::Double),
        optional(3, "small", decimal(7, 2)),
        optional(4, "middle", decimal(15, 2)),
        optional(5, "large", decimal(30, 2)),
        optional(6, "i", PrimitiveType::Int),
        optional(7, "date", PrimitiveType::Date),
        optional(8, "at", PrimitiveType::Timestamptz),
        optional(9, "yes", PrimitiveType::Boolean),
        optional(10, "id", PrimitiveType::Uuid),
        optional(11, "none", PrimitiveType::Long),
        optional(12, "nan", PrimitiveType::Double),
    ])
    .table();
    let cents = |precision, values: Vec<Option<i128>>| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(values)
                .with_precision_and_scale(precision, 2)
                .unwrap(),
        )
    };
    let values = vec![Some(-1250_i128), Some(300), None];
    let uuid = |byte: u8| Some(vec![byte; 16]);
    let batch = rows(vec![
        (
            "f",
            Arc::new(Float32Array::from(vec![Some(f32::NAN), Some(-0.0), None])),
        ),
        (
            "d",
            Arc::new(Float64Array::from(vec![1.5, f64::NAN, f64::NEG_INFINITY])),
        ),
        ("small", cents(7, values.clone())),
        ("middle", cents(15, values.clone())),
        ("large", cents(30, values)),
        (
            "i",
            Arc::new(Int32Array::from(vec![Some(-5), None, Some(7)])),
        ),
        ("date", Arc::new(Date32Array::from(vec![-1, 0, 20_000]))),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![-5, 0, 5]).with_timezone("+00:00")),
        ),
        ("yes", Arc::new(BooleanArray::from(vec![true, false, true]))),
        (
            "id",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [uuid(200), uuid(3), None].into_iter(),
                    16,
                )
                .unwrap(),
            ),
        ),
        ("none", Arc::new(Int64Array::from(vec![None, None, None]))),
        ("nan", Arc::new(Float64Array::from(vec![f64::NAN; 3]))),
    ]);
    let files = write(&table, vec![batch]).await;
    let file = &files[0];
    assert_eq!(file.record_count(), 3);
    assert_eq!(file.sort_order_id(), Some(0));
    let number = |bounds: &std::collections::HashMap<i32, Datum>, id| match bounds[&id].literal() {
        PrimitiveLiteral::Int128(value) => *value,
        other => panic!("{other:?}"),
    };
    for id in 3..=5 {
        assert_eq!(number(file.lower_bounds(), id), -1250, "column {id}");
        assert_eq!(number(file.upper_bounds(), id), 300, "column {id}");
    }
    assert!(file.lower_bounds()[&1] <= Datum::float(-0.0_f32));
    assert!(file.upper_bounds()[&1] >= Datum::float(0.0_f32));
    assert_eq!(file.lower_bounds()[&2], Datum::double(f64::NEG_INFINITY));
    assert_eq!(file.upper_bounds()[&2], Datum::double(1.5));
    assert_eq!(file.lower_bounds()[&6], Datum::int(-5));
    assert_eq!(file.upper_bounds()[&7], Datum::date(20_000));
    assert_eq!(file.lower_bounds()[&8], Datum::timestamptz_micros(-5));
    assert_eq!(file.upper_bounds()[&9], Datum::bool(true));
    assert_eq!(
        file.upper_bounds()[&10],
        Datum::uuid(uuid::Uuid::from_bytes([200; 16]))
    );
    assert!(!file.lower_bounds().contains_key(&11) && !file.upper_bounds().contains_key(&11));
    assert!(!file.lower_bounds().contains_key(&12) && !file.upper_bounds().contains_key(&12));
    assert_eq!(
        (
            file.nan_value_counts()[&1],
            file.nan_value_counts()[&2],
            file.nan_value_counts()[&12]
        ),
        (1, 1, 3)
    );
    assert!(!file.nan_value_counts().contains_key(&6));
    assert_eq!(
        (
            file.null_value_counts()[&1],
            file.null_value_counts()[&11],
            file.null_value_counts()[&7]
        ),
        (1, 3, 0)
    );
    assert_eq!(file.value_counts()[&1], 3);
    assert!(file.column_sizes()[&1] > 0);
}
