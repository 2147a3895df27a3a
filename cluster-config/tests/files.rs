//! Every file in `examples/` loads, and every file in `refused/` fails with the words that it names.

use plimsoll_cluster_config::{LoadArgs, Settings};
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is part of the crate")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

#[test]
fn every_example_loads_and_its_effective_settings_load_to_the_same() {
    let copy = std::env::temp_dir().join(format!("plimsoll-effective-{}.toml", std::process::id()));
    for file in files("examples") {
        let settings =
            Settings::load(LoadArgs::new().file(Some(file.clone()))).unwrap_or_else(|e| panic!("{e}"));
        fs::write(&copy, settings.effective().to_string()).expect("a temporary file");
        let again =
            Settings::load(LoadArgs::new().file(Some(copy.clone()))).unwrap_or_else(|e| panic!("{e}"));
        let values = |s: &Settings| s.effective().rows().map(|(_, value, _)| value).collect::<Vec<_>>();
        assert_eq!(values(&settings), values(&again), "{}", file.display());
    }
    fs::remove_file(&copy).expect("written above");
}

#[test]
fn every_refused_file_fails_with_the_words_that_it_names() {
    for file in files("refused") {
        let text = fs::read_to_string(&file).expect("listed above");
        let wanted: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# error: ")).collect();
        assert!(!wanted.is_empty(), "{} names no error", file.display());
        let message = match Settings::load(LoadArgs::new().file(Some(file.clone()))) {
            Ok(_) => panic!("{} was taken", file.display()),
            Err(error) => error.to_string(),
        };
        assert_eq!(message.lines().count(), wanted.len(), "{}:\n{message}", file.display());
        for (said, wanted) in message.lines().zip(wanted) {
            assert!(said.contains(wanted), "{}\nwanted: {wanted}\nsaid:   {said}", file.display());
        }
    }
}
