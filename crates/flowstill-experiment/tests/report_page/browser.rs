//! Open the page in a real browser, where there is one: sort by a click, and see that nothing is wider than a phone.

use super::{comparison, folder, page};
use std::path::{Path, PathBuf};
use std::process::Command;

fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// The document after its scripts have run.
fn dom(browser: &Path, page: &Path, profile: &Path) -> Option<String> {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--window-size=500,900", "--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_browser_sorts_the_tables_and_fits_the_page_to_a_phone() {
    let Some(browser) = browser() else {
        println!("skipped: no chromium is on the PATH");
        return;
    };
    let run = folder(&comparison(&[0.3, 0.1, 0.2]));
    // A phone is a frame 360 units wide; a click is what a click does.
    let probe = "<script>\
        document.querySelectorAll('details').forEach((one) => { one.open = true; });\
        const head = (n) => document.querySelector(`#models thead th:nth-child(${n}) button`);\
        const order = () => [...document.querySelectorAll('#models tbody tr')].map((r) => r.cells[0].textContent + r.cells[1].textContent).join(' ');\
        head(3).click(); document.body.dataset.up = order();\
        head(3).click(); document.body.dataset.down = order();\
        document.body.dataset.sorted = head(3).parentElement.getAttribute('aria-sort');\
        head(3).focus(); document.body.dataset.focused = document.activeElement === head(3);\
        document.body.style.width = '360px';\
        document.body.dataset.wide = [...document.body.querySelectorAll('header, nav, main, section, figure, .scroll, p, dl, pre')]\
          .filter((e) => e.getBoundingClientRect().right > 361).length;\
        </script></body>";
    let path = run.path().join("probe.html");
    std::fs::write(&path, page(run.path()).replace("</body>", probe)).unwrap();
    let Some(dom) = dom(&browser, &path, &run.path().join("profile")) else {
        println!("skipped: {} does not run here", browser.display());
        return;
    };
    for said in [
        "data-up=\"plain1 plain2 plain3 lkd2 lkd3 lkd1 teacher1 teacher2 teacher3\"",
        "data-down=\"teacher1 teacher2 teacher3 lkd1 lkd3 lkd2 plain1 plain2 plain3\"",
        "data-sorted=\"descending\"",
        "data-focused=\"true\"",
        "data-wide=\"0\"",
    ] {
        assert!(dom.contains(said), "{said}: {}", dom.split("data-").skip(1).take(8).collect::<Vec<_>>().join("data-"));
    }
}
