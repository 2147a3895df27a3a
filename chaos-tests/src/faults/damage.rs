//! Bytes of a stopped node change or go missing.

use rand::Rng;
use rand::rngs::StdRng;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Files below a folder with this ending, the newest last.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) && entry.metadata().is_ok_and(|m| m.len() > 0)
            {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| fs::metadata(path).and_then(|m| m.modified()).ok());
    found
}

/// Flips one bit of a file, somewhere in its first half: SST files keep their blocks of data there. Returns the offset.
pub fn flip(path: &Path, rng: &mut StdRng) -> u64 {
    let file = File::options().read(true).write(true).open(path).expect("a file of the node");
    let length = file.metadata().expect("it is open").len();
    let at = rng.random_range(0..(length / 2).max(1));
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("within the file");
    byte[0] ^= 1 << rng.random_range(0..8);
    file.write_all_at(&byte, at).expect("within the file");
    at
}

/// Cuts the last bytes of a file off, as a torn write does. Returns how many.
pub fn tear(path: &Path, rng: &mut StdRng) -> u64 {
    let file = File::options().write(true).open(path).expect("a file of the node");
    let length = file.metadata().expect("it is open").len();
    let cut = rng.random_range(1..200).min(length);
    file.set_len(length - cut).expect("it is ours");
    cut
}
