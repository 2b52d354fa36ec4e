//! Functions that install and download; off unless the actor's owner allows them.

use std::sync::Arc;

use rhai::{Array, Dynamic, INT, ImmutableString, Map};

use super::command::{ask, program, text};
use super::context::{Called, Context, failed, fine};
use super::files::read;
use super::processes::need;
use super::registry::Registry;

pub(super) fn write(registry: &mut Registry, context: &Arc<Context>) {
    registry.family(
        "Packages",
        "With the tools of Debian and Ubuntu. The first three only look; the others throw `disabled by policy` unless the actor \
         was started with `--allow-install`.",
    );
    registry.add(
        "package_platform",
        &[],
        "The name of the system, such as `debian`; `unknown` if it has none.",
        || {
            let text = read("/etc/os-release").unwrap_or_default();
            let id = text.lines().find_map(|line| line.strip_prefix("ID="));
            id.map_or("unknown", |id| id.trim_matches('"')).to_owned()
        },
    );
    let w = Arc::clone(context);
    registry.add("package_list", &[], "The names of all installed packages.", move || {
        lines(&ask(&w, need(&w, "dpkg-query")?, &["-W", "-f", "${binary:Package}\n"])?)
    });
    let w = Arc::clone(context);
    let about = "True if a package is installed.";
    registry.add("package_is_installed", &["package"], about, move |package: ImmutableString| {
        let status = ask(&w, need(&w, "dpkg-query")?, &["-W", "-f", "${db:Status-Status}", "--", &package]);
        fine(status.is_ok_and(|result| text(&result, "stdout").trim() == "installed"))
    });
    installing(registry, context);
    downloading(registry, context);
}

fn installing(registry: &mut Registry, context: &Arc<Context>) {
    let apt: [(&str, &str, &'static [&'static str]); 2] = [
        ("package_install", "Installs a package.", &["install", "-y", "--"]),
        ("package_remove", "Removes a package.", &["remove", "-y", "--"]),
    ];
    for (name, about, args) in apt {
        let w = Arc::clone(context);
        registry.add(name, &["package"], about, move |package: ImmutableString| {
            w.allow_install()?;
            let args: Vec<&str> = args.iter().copied().chain([package.as_str()]).collect();
            program(&w, need(&w, "apt-get")?, &args)
        });
    }
    for (name, about, word) in [
        ("package_update", "Reads anew which packages there are.", "update"),
        ("package_upgrade", "Brings all packages up to date.", "upgrade"),
    ] {
        let w = Arc::clone(context);
        registry.add(name, &[], about, move || {
            w.allow_install()?;
            program(&w, need(&w, "apt-get")?, &[word, "-y"])
        });
    }
    let w = Arc::clone(context);
    registry.add(
        "copy_bin",
        &["path"],
        "Copies a program to `/usr/local/bin`.",
        move |path: ImmutableString| {
            w.allow_install()?;
            program(&w, "install", &["-m", "755", "--", &path, "/usr/local/bin/"])
        },
    );
}

fn downloading(registry: &mut Registry, context: &Arc<Context>) {
    for (name, about) in [
        ("download", "Downloads to a folder; throws when it is smaller than so many KiB."),
        ("download_file", "Downloads to a file; throws when it is smaller than so many KiB."),
    ] {
        let w = Arc::clone(context);
        let params = ["url", "destination", "min_size_kb"];
        registry.add(name, &params, about, move |url: ImmutableString, to: ImmutableString, least: INT| {
            w.allow_install()?;
            let to = match (name, url.rsplit('/').next()) {
                ("download", Some(file)) if !file.is_empty() => format!("{to}/{file}"),
                _ => to.to_string(),
            };
            program(&w, need(&w, "curl")?, &["-fsSL", "--create-dirs", "-o", &to, "--", &url])?;
            let size = std::fs::metadata(&to).map_err(|error| failed(&to, &error))?.len() / 1024;
            match INT::try_from(size).is_ok_and(|size| size >= least) {
                true => Ok(to),
                false => Err(failed(&to, &format!("has {size} KiB, fewer than {least}"))),
            }
        });
    }
    let w = Arc::clone(context);
    let about = "Downloads a Debian package and installs it; throws when it is smaller than so many KiB.";
    registry.add(
        "download_install",
        &["url", "min_size_kb"],
        about,
        move |url: ImmutableString, least: INT| {
            w.allow_install()?;
            let script = "set -e; f=$(mktemp --suffix=.deb); curl -fsSL -o \"$f\" -- \"$1\"; \
                      test $(($(stat -c %s \"$f\") / 1024)) -ge \"$2\"; dpkg -i -- \"$f\"; rm -f -- \"$f\"";
            program(&w, "/bin/bash", &["-c", script, "download_install", &url, &least.to_string()])
        },
    );
}

fn lines(result: &Map) -> Called<Array> {
    Ok(text(result, "stdout").lines().map(|line| Dynamic::from(line.to_owned())).collect())
}
