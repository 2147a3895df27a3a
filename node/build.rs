//! Has the binary compiled again when npm has built another web page. The folder must be there to be watched: a path
//! that is missing would count as changed at every build.

fn main() {
    // a source tree that cannot be written to has no new page either
    let _ = std::fs::create_dir_all("ui/dist");
    println!("cargo:rerun-if-changed=ui/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
