//! What COPY's formats are read as, in whatever pieces they come.

use arrow::array::AsArray;

use super::*;

fn reader(options: &[CopyOption]) -> CopyReader {
    let column = |name: &str| CopyColumn {
        name: name.to_owned(),
        kind: DataType::Utf8,
    };
    CopyReader::new(options, &[], vec![column("a"), column("b")], "UTC").unwrap()
}

/// Fed byte by byte: pieces may end anywhere.
fn rows(reader: &mut CopyReader, data: &[u8]) -> Result<Vec<(Option<String>, Option<String>)>> {
    for byte in data {
        assert!(reader.feed(&[*byte])?.is_empty());
    }
    let Some(batch) = reader.finish()? else {
        return Ok(Vec::new());
    };
    let texts = |at: usize| {
        let column = batch.column(at).as_string::<i32>();
        column
            .iter()
            .map(|t| t.map(str::to_owned))
            .collect::<Vec<_>>()
    };
    Ok(texts(0).into_iter().zip(texts(1)).collect())
}

fn pair(a: Option<&str>, b: Option<&str>) -> (Option<String>, Option<String>) {
    (a.map(str::to_owned), b.map(str::to_owned))
}

#[test]
fn text_is_unescaped_and_its_end_heard() {
    let data = b"1\t\\N\na\\tb\\\\c\\x41\\101\t\r\nx\ty\n\\.\nnever\tread\n";
    assert_eq!(
        rows(&mut reader(&[]), data).unwrap(),
        [
            pair(Some("1"), None),
            pair(Some("a\tb\\cAA"), Some("")),
            pair(Some("x"), Some("y")),
        ]
    );
}

#[test]
fn csv_has_quotes_headers_and_lines_within() {
    let options = [CopyOption::Format("csv".into()), CopyOption::Header(true)];
    let data = b"a,b\n\"x,\"\"y\"\"\nz\",\n\"\",q";
    assert_eq!(
        rows(&mut reader(&options), data).unwrap(),
        [pair(Some("x,\"y\"\nz"), None), pair(Some(""), Some("q")),]
    );
}

#[test]
fn rows_that_are_too_short_or_long_are_refused() {
    for data in [&b"1\n"[..], b"1\t2\t3\n"] {
        let error = rows(&mut reader(&[]), data).unwrap_err();
        assert_eq!(error.sqlstate, "22P04");
    }
    let csv = [CopyOption::Format("csv".into())];
    assert!(rows(&mut reader(&csv), b"\"open,1\n").is_err());
    assert!(rows(&mut reader(&[]), b"\xff\t1\n").is_err());
}

#[test]
fn binary_is_read_to_its_end() {
    let options = [CopyOption::Format("binary".into())];
    let mut data = BINARY_HEADER.to_vec();
    data.extend(2_i16.to_be_bytes());
    data.extend(1_i32.to_be_bytes());
    data.push(b'x');
    data.extend((-1_i32).to_be_bytes());
    let whole = [data.clone(), (-1_i16).to_be_bytes().to_vec()].concat();
    assert_eq!(
        rows(&mut reader(&options), &whole).unwrap(),
        [pair(Some("x"), None)]
    );
    data.extend(2_i16.to_be_bytes());
    assert!(rows(&mut reader(&options), &data).is_err(), "cut off");
}
