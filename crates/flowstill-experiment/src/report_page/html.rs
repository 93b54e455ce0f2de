//! Write HTML whose tags are balanced and whose text is escaped, whatever the text is.

/// A document, or a part of one, as it is written.
#[derive(Debug, Default)]
pub(super) struct Html {
    out: String,
}

/// Attributes: names that this crate chooses, and values from anywhere.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a str)];

impl Html {
    /// A document with its doctype.
    pub(super) fn document() -> Self {
        Self { out: "<!doctype html>\n".into() }
    }

    /// Text, escaped.
    pub(super) fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                // HTML has no way to write the first, and the others turn round what stands beside them.
                control if control.is_control() && !control.is_whitespace() => self.out.push('\u{fffd}'),
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.out.push('\u{fffd}'),
                other => self.out.push(other),
            }
        }
    }

    /// An element with what `inner` writes into it.
    pub(super) fn element(&mut self, tag: &str, attributes: Attributes<'_>, inner: impl FnOnce(&mut Self)) {
        self.begin(tag, attributes);
        inner(self);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
        // Only between blocks, where a line end shows nowhere.
        if ["p", "li", "tr", "section", "div", "h2", "h3", "table", "figure", "dd", "g", "details", "nav"]
            .contains(&tag)
        {
            self.out.push('\n');
        }
    }

    /// An element of text alone.
    pub(super) fn leaf(&mut self, tag: &str, attributes: Attributes<'_>, text: &str) {
        self.element(tag, attributes, |html| html.text(text));
    }

    /// An element that HTML never closes, such as `meta` and `img`.
    pub(super) fn void(&mut self, tag: &str, attributes: Attributes<'_>) {
        self.begin(tag, attributes);
    }

    /// A style sheet or script of this crate, as it is; HTML escapes nothing in them.
    pub(super) fn asset(&mut self, tag: &str, own: &'static str) {
        self.begin(tag, &[]);
        self.out.push_str(own);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push_str(">\n");
    }

    /// What another part wrote.
    pub(super) fn join(&mut self, part: Self) {
        self.out.push_str(&part.out);
    }

    /// Whether nothing was written.
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn begin(&mut self, tag: &str, attributes: Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.text(value);
            self.out.push('"');
        }
        self.out.push('>');
    }
}

/// Bytes as a `data:` address.
pub(super) fn data_uri(kind: &str, bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = format!("data:{kind};base64,");
    out.reserve(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_leave_their_place() {
        let mut html = Html::default();
        html.leaf("b", &[("title", "\"><script>")], "</b><img src=x onerror='1'>\u{0}\u{202e}&amp;");
        assert_eq!(
            html.finish(),
            "<b title=\"&quot;&gt;&lt;script&gt;\">&lt;/b&gt;&lt;img src=x onerror=&#39;1&#39;&gt;\u{fffd}\u{fffd}&amp;amp;</b>"
        );
    }

    #[test]
    fn bytes_are_written_in_base_64() {
        // The test vectors of RFC 4648.
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(data_uri("a/b", plain.as_bytes()), format!("data:a/b;base64,{coded}"));
        }
        assert!(data_uri("", &[0xff, 0xef, 0xbe]).ends_with("/+++"));
    }
}
