//! Read a page as strictly as the page is written: balanced tags, quoted attributes, names that are there.

use std::collections::BTreeSet;

const VOID: [&str; 2] = ["meta", "img"];

/// What a page is made of.
#[derive(Default)]
pub(super) struct Parts {
    /// Elements with their attributes, in order.
    pub elements: Vec<(String, Vec<(String, String)>)>,
    /// Scripts and style sheets.
    pub raw: Vec<String>,
}

impl Parts {
    /// All values of an attribute.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let all = self.elements.iter().flat_map(|(_, attributes)| attributes);
        all.filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// Read a page, or say where it is not well-formed.
pub(super) fn parts(page: &str) -> Parts {
    let mut out = Parts::default();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>\n").expect("a doctype");
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a bare > in {:?}", &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(closing) = rest.strip_prefix('/') {
            let (tag, after) = closing.split_once('>').expect("a closing tag ends");
            assert_eq!(open.pop().as_deref(), Some(tag), "closed in order");
            rest = after;
            continue;
        }
        let end = rest.find([' ', '>']).expect("a tag ends");
        let tag = rest[..end].to_string();
        assert!(tag.chars().all(|c| c.is_ascii_alphanumeric()), "a tag, not {tag:?}");
        rest = &rest[end..];
        let mut attributes = Vec::new();
        while let Some(more) = rest.strip_prefix(' ') {
            let (name, value) = more.split_once("=\"").expect("a quoted attribute");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "an attribute, not {name:?}");
            let (value, after) = value.split_once('"').expect("its value ends");
            assert!(!value.contains(['<', '>']), "{name}: escaped, not {value:?}");
            attributes.push((name.to_string(), value.to_string()));
            rest = after;
        }
        rest = rest.strip_prefix('>').expect("a tag ends");
        if ["script", "style"].contains(&tag.as_str()) {
            let (inside, after) = rest.split_once(&format!("</{tag}>")).expect("it is closed");
            out.raw.push(inside.to_string());
            rest = after;
        } else if !VOID.contains(&tag.as_str()) {
            open.push(tag.clone());
        }
        out.elements.push((tag, attributes));
    }
    assert!(open.is_empty(), "left open: {open:?}");
    out
}

/// A well-formed page that stands by itself: nothing outside it is named, and every name inside it is there once.
pub(super) fn stands_alone(page: &str) -> Parts {
    let parts = parts(page);
    let ids = parts.values("id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "every id once: {ids:?}");
    for value in parts.values("href") {
        let id = value.strip_prefix('#').unwrap_or_else(|| panic!("a place in the page, not {value}"));
        assert!(unique.contains(id), "{id}");
    }
    let named = parts.values("aria-labelledby");
    assert!(named.iter().flat_map(|ids| ids.split(' ')).all(|id| unique.contains(id)), "{named:?}");
    assert!(parts.values("src").iter().all(|value| value.starts_with("data:image/png;base64,")));
    for name in ["srcset", "data", "action", "style", "onclick", "onload", "onerror"] {
        assert!(parts.values(name).is_empty(), "{name}");
    }
    for raw in &parts.raw {
        for outside in ["http", "//cdn", "url(", "@import", "fetch(", "import(", "innerHTML", "eval"] {
            assert!(!raw.contains(outside), "{outside}");
        }
    }
    for tag in ["link", "iframe", "object", "embed", "form", "base"] {
        assert!(parts.elements.iter().all(|(own, _)| own != tag), "{tag}");
    }
    parts
}
