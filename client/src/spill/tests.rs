use super::segment::MAGIC;
use super::*;
use plimsoll_model::Labels;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(folder: &TempDir, max_bytes: u64) -> Spill {
    Spill::open(folder.path(), max_bytes).expect("a folder of ours")
}

/// A batch of `count` samples from `first` on, as values and timestamps.
fn batch(first: i64, count: i64) -> Vec<Sample> {
    let labels = Labels::from_pairs([("__name__", "x")]).expect("labels");
    (first..first + count).map(|t| Sample::float(labels.clone(), t, t as f64)).collect()
}

/// Takes everything out.
fn drained(spill: &Spill) -> Vec<i64> {
    let mut out = Vec::new();
    while let Some(oldest) = spill.oldest().expect("a readable folder") {
        out.extend(oldest.samples.iter().map(|s| s.timestamp));
        spill.done(&oldest).expect("a segment can be removed");
    }
    out
}

fn files(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path()).expect("a folder").flatten().map(|e| e.path());
    let mut files: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "spill")).collect();
    files.sort();
    files
}

#[test]
fn what_goes_in_comes_out_in_order_also_after_a_restart() {
    let folder = folder();
    let spill = open(&folder, 1 << 20);
    spill.append(&batch(0, 10)).expect("room");
    spill.append(&batch(10, 10)).expect("room");
    let oldest = spill.oldest().expect("readable").expect("a record");
    assert_eq!(oldest.samples, batch(0, 10));
    spill.done(&oldest).expect("done");
    drop(spill);
    let spill = open(&folder, 1 << 20);
    spill.append(&batch(20, 5)).expect("room");
    // A segment that was half read is read again: what a node has already, it takes for the same.
    assert_eq!(drained(&spill), (0..25).collect::<Vec<_>>());
    assert_eq!(spill.totals(), SpillTotals { recovered: 20, ..SpillTotals::default() });
    assert!(files(&folder).is_empty());
}

#[test]
fn a_tail_that_a_crash_cut_is_passed_over_at_every_byte() {
    let whole = folder();
    let spill = open(&whole, 1 << 20);
    let first_end = {
        spill.append(&batch(0, 3)).expect("room");
        fs::metadata(&files(&whole)[0]).expect("a segment").len() as usize
    };
    spill.append(&batch(3, 3)).expect("room");
    let bytes = fs::read(&files(&whole)[0]).expect("a segment");
    for cut in 0..bytes.len() {
        let folder = folder_with(&bytes[..cut]);
        let spill = open(&folder, 1 << 20);
        let expected: Vec<i64> = if cut >= first_end { (0..3).collect() } else { Vec::new() };
        let torn = match cut {
            c if c >= first_end => c - first_end,
            c => c.saturating_sub(MAGIC.len()),
        };
        assert_eq!(spill.totals().damaged_bytes, torn as u64, "cut at {cut}");
        spill.append(&batch(100, 1)).expect("room");
        assert_eq!(drained(&spill), [expected, vec![100]].concat(), "cut at {cut}");
    }
}

fn folder_with(bytes: &[u8]) -> TempDir {
    let folder = folder();
    fs::write(folder.path().join("0000000001.spill"), bytes).expect("a file");
    folder
}

#[test]
fn damage_loses_what_is_behind_it_and_no_other_segment() {
    let folder = folder();
    let spill = open(&folder, LEAST_BYTES);
    let mut n = 0;
    while files(&folder).len() < 3 {
        spill.append(&batch(n * 400, 400)).expect("room");
        n += 1;
    }
    let total = spill.totals().samples;
    let path = &files(&folder)[0];
    let mut bytes = fs::read(path).expect("a segment");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, &bytes).expect("a segment");
    let alive = drained(&spill).len() as u64;
    assert_eq!(alive, total - 400);
    assert_eq!(spill.totals().dropped, 400);
    assert!(spill.totals().damaged_bytes > 0);
}

#[test]
fn the_oldest_are_dropped_when_there_is_no_room_and_the_folder_keeps_its_bound() {
    let folder = folder();
    let spill = open(&folder, LEAST_BYTES);
    for n in 0..200 {
        spill.append(&batch(n * 100, 100)).expect("room is made");
        let size: u64 = files(&folder).iter().map(|f| fs::metadata(f).expect("a segment").len() - 8).sum();
        assert!(size <= LEAST_BYTES, "{size}");
        assert_eq!(size, spill.totals().bytes);
    }
    let dropped = spill.totals().dropped;
    assert!(dropped > 0);
    let left = drained(&spill);
    assert_eq!(left, (dropped as i64..20_000).collect::<Vec<_>>());
}

#[test]
fn a_record_under_way_is_not_counted_as_dropped() {
    let folder = folder();
    let spill = open(&folder, LEAST_BYTES);
    spill.append(&batch(0, 100)).expect("room");
    let oldest = spill.oldest().expect("readable").expect("a record");
    let mut appended = 100;
    while spill.totals().dropped == 0 {
        spill.append(&batch(appended, 100)).expect("room is made");
        appended += 100;
    }
    let dropped = spill.totals().dropped;
    spill.done(&oldest).expect("it is gone already");
    assert_eq!(100 + dropped + drained(&spill).len() as u64, appended as u64);
}

#[test]
fn a_folder_has_one_writer() {
    let folder = folder();
    let spill = open(&folder, 1 << 20);
    assert!(matches!(Spill::open(folder.path(), 1 << 20), Err(SpillError::InUse(_))));
    drop(spill);
    open(&folder, 1 << 20);
}
