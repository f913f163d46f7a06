//! Gives the shared library its name for the loader (soname): a program that was linked with one version must not be
//! started with another one that has other functions.

fn main() {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libfelice.so.{major}.{minor}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
