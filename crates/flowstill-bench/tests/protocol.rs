//! Speak to the worker as `bench/compare` does.

use serde_json::{Value, json};

fn talk(requests: &[Value]) -> Vec<Value> {
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let mut replies = Vec::new();
    flowstill_bench::serve(lines.as_bytes(), &mut replies).expect("memory can be written");
    let replies: Vec<Value> = replies
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect();
    assert_eq!(replies.len(), requests.len(), "one line per line");
    replies
}

fn maf() -> Value {
    json!({ "kind": "maf", "blocks": 2, "hidden": [8], "norm": "none" })
}

fn build(case: Value, folder: &std::path::Path) -> Value {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let [save, data, teacher] = ["flow.safetensors", "x.npy", "teacher.safetensors"].map(path);
    json!({ "op": "build", "case": case, "seed": 0, "save": save, "data": data, "teacher": teacher })
}

#[test]
fn every_kind_of_work_is_timed() {
    for (what, unit) in
        [("train", "steps"), ("log_prob", "rows"), ("sample", "rows"), ("latency", "rows"), ("distill", "steps")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let mut case = json!({ "what": what, "flow": maf(), "event": [1, 1, 3], "batch": 16, "rows": 80 });
        if what == "distill" {
            case["teacher"] = json!({ "kind": "maf", "blocks": 4, "hidden": [8], "norm": "none" });
            case["distill"] = json!({ "lkd": 0.1, "ilkd": 0.1, "skd": 0.1, "teacher_samples": 0.0, "pool": 32 });
        }
        let replies =
            talk(&[build(case, folder.path()), json!({ "op": "check" }), json!({ "op": "run", "seconds": 0.05 })]);
        assert!(replies[0]["parameters"].as_u64().expect("a number") > 0, "{what}: {}", replies[0]);
        let values = replies[1]["values"].as_array().expect("values").len();
        assert_eq!(values, if what == "distill" { 66 } else { 64 }, "{what}");
        assert_eq!(replies[2]["unit"], unit, "{what}: {}", replies[2]);
        assert!(replies[2]["count"].as_f64() > Some(0.0) && replies[2]["seconds"].as_f64() > Some(0.0));
        assert!(folder.path().join("flow.safetensors").exists());
        // 128 bytes of header, 80 rows of 3 values.
        let header = std::fs::read(folder.path().join("x.npy")).expect("written");
        assert_eq!(header.len(), 128 + 80 * 3 * 4);
        assert_eq!(folder.path().join("teacher.safetensors").exists(), what == "distill");
    }
}

#[test]
fn pictures_are_built_and_bad_requests_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let flow = json!({ "kind": "glow", "steps": 1, "levels": 2, "hidden": 4 });
    let case = json!({ "what": "train", "flow": flow, "event": [8, 8, 3], "batch": 2, "rows": 4 });
    let replies = talk(&[
        json!({ "op": "run", "seconds": 0.05 }),
        json!({ "op": "dance" }),
        build(case, folder.path()),
        json!({ "op": "run", "seconds": 0.05 }),
    ]);
    assert!(replies[0]["error"].is_string() && replies[1]["error"].is_string());
    assert!(replies[3]["count"].as_f64() > Some(0.0), "{}", replies[3]);
}
