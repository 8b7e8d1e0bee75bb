//! WebDAV's XML: reading a multistatus (RFC 4918 §13), writing elements.
//!
//! Owns escaping and namespaces; what the properties mean is `webdav`'s matter.

use quick_xml::{
    NsReader, Writer,
    escape::resolve_predefined_entity,
    events::{BytesEnd, BytesStart, BytesText, Event},
    name::ResolveResult,
};

use super::error::Error;

/// The namespace of RFC 4918.
pub(super) const DAV: &str = "DAV:";
/// The namespace of file properties that came with ownCloud.
pub(super) const OWNCLOUD: &str = "http://owncloud.org/ns";
/// The namespace of CalDAV (RFC 4791).
pub(super) const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";

/// One `response` of a multistatus.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// The resource, percent-encoded as on the wire.
    pub(super) href: String,
    /// The properties that were found (status 200).
    pub(super) properties: Vec<Property>,
}

impl Response {
    /// A property that was found.
    pub(super) fn property(&self, namespace: &str, name: &str) -> Option<&Property> {
        self.properties
            .iter()
            .find(|property| property.namespace == namespace && property.name == name)
    }

    /// The text of a property that was found and is not empty.
    pub(super) fn text(&self, namespace: &str, name: &str) -> Option<&str> {
        self.property(namespace, name)
            .map(|property| property.text.trim())
            .filter(|text| !text.is_empty())
    }
}

/// One property of a resource.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Property {
    namespace: String,
    name: String,
    /// All text below it.
    pub(super) text: String,
    /// The local names of the elements below it.
    pub(super) children: Vec<String>,
    /// The text directly in each of them.
    pub(super) texts: Vec<String>,
    /// The attributes called `name` of the elements below it.
    pub(super) names: Vec<String>,
}

/// What is told about each part of a document, in its order.
pub(super) trait Visit {
    /// An element begins; `label` is its attribute called `name`.
    fn open(&mut self, namespace: &str, name: &str, label: Option<String>);
    /// Text, with entities resolved.
    fn text(&mut self, text: &str);
    /// The element that was opened last and not closed ends.
    fn close(&mut self);
}

const BROKEN: Error = Error::Malformed("broken XML");

/// Reads a document.
pub(super) fn visit(xml: &str, visitor: &mut impl Visit) -> Result<(), Error> {
    let mut reader = NsReader::from_str(xml);
    let mut depth = 0_usize;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| BROKEN)?;
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.into_inner().to_owned(),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
        };
        match event {
            Event::Start(element) => {
                depth += 1;
                let label = label(&element)?;
                visitor.open(&namespace, element.local_name().into_inner(), label);
            }
            Event::Empty(element) => {
                let label = label(&element)?;
                visitor.open(&namespace, element.local_name().into_inner(), label);
                visitor.close();
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                visitor.close();
            }
            Event::Text(text) => visitor.text(&text.xml10_content()),
            Event::CData(text) => visitor.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                if let Some(character) = reference.resolve_char_ref().map_err(|_| BROKEN)? {
                    visitor.text(character.encode_utf8(&mut [0; 4]));
                } else {
                    let entity = reference.into_inner();
                    visitor.text(resolve_predefined_entity(&entity).ok_or(BROKEN)?);
                }
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof if depth == 0 => return Ok(()),
            Event::Eof => return Err(BROKEN),
        }
    }
}

fn label(element: &BytesStart<'_>) -> Result<Option<String>, Error> {
    let Some(attribute) = element.try_get_attribute("name").map_err(|_| BROKEN)? else {
        return Ok(None);
    };
    let value = attribute
        .normalized_value(quick_xml::XmlVersion::Implicit1_0)
        .map_err(|_| BROKEN)?;
    Ok(Some(value.into_owned()))
}

/// Reads a multistatus.
pub(super) fn multistatus(xml: &str) -> Result<Vec<Response>, Error> {
    let mut builder = Builder::default();
    visit(xml, &mut builder)?;
    if builder.is_multistatus {
        Ok(builder.responses)
    } else {
        Err(BROKEN)
    }
}

/// Follows the elements of a multistatus and keeps what was found.
#[derive(Default)]
struct Builder {
    path: Vec<String>,
    is_multistatus: bool,
    responses: Vec<Response>,
    response: Response,
    found: Vec<Property>,
    status: String,
}

impl Visit for Builder {
    fn open(&mut self, namespace: &str, name: &str, label: Option<String>) {
        self.path.push(name.to_owned());
        match self.place().as_slice() {
            ["multistatus"] => self.is_multistatus = namespace == DAV,
            ["multistatus", "response"] => self.response = Response::default(),
            ["multistatus", "response", "propstat"] => {
                self.found.clear();
                self.status.clear();
            }
            ["multistatus", "response", "propstat", "prop", _] => self.found.push(Property {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..Property::default()
            }),
            ["multistatus", "response", "propstat", "prop", _, ..] => {
                if let Some(property) = self.found.last_mut() {
                    property.children.push(name.to_owned());
                    property.texts.push(String::new());
                    property.names.extend(label);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        match self.place().as_slice() {
            ["multistatus", "response", "href"] => self.response.href.push_str(text),
            ["multistatus", "response", "propstat", "status"] => self.status.push_str(text),
            ["multistatus", "response", "propstat", "prop", _, ..] => {
                if let Some(property) = self.found.last_mut() {
                    property.text.push_str(text);
                    if let Some(last) = property.texts.last_mut() {
                        last.push_str(text);
                    }
                }
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        match self.place().as_slice() {
            // "HTTP/1.1 200 OK"; the properties of any other status were not found.
            ["multistatus", "response", "propstat"]
                if self.status.split_whitespace().nth(1) == Some("200") =>
            {
                self.response.properties.append(&mut self.found);
            }
            ["multistatus", "response"] => self.responses.push(std::mem::take(&mut self.response)),
            _ => {}
        }
        self.path.pop();
    }
}

impl Builder {
    fn place(&self) -> Vec<&'static str> {
        // Only the structure's own names decide; a property of any name is `_`.
        const NAMES: [&str; 6] = [
            "multistatus",
            "response",
            "href",
            "propstat",
            "prop",
            "status",
        ];
        self.path
            .iter()
            .map(|name| NAMES.into_iter().find(|known| known == name).unwrap_or("_"))
            .collect()
    }
}

/// Writes one document of elements.
pub(super) struct Document(Writer<Vec<u8>>);

impl Document {
    /// Opens the root element with the namespaces `d` (DAV) and `oc` (files).
    pub(super) fn new(root: &str) -> Self {
        Self::with_namespaces(root, &[("xmlns:d", DAV), ("xmlns:oc", OWNCLOUD)])
    }

    /// Opens the root element with namespaces such as `("xmlns:d", DAV)`.
    pub(super) fn with_namespaces(root: &str, namespaces: &[(&str, &str)]) -> Self {
        let mut document = Self(Writer::new(Vec::new()));
        let element = BytesStart::new(root).with_attributes(namespaces.iter().copied());
        document.event(Event::Start(element));
        document
    }

    /// Writes an element around what `content` writes.
    pub(super) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.element_with(name, &[], content)
    }

    /// Writes an element with attributes, their values escaped, around what `content` writes.
    pub(super) fn element_with(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.event(Event::Start(start));
        content(self);
        self.event(Event::End(BytesEnd::new(name)));
        self
    }

    /// Writes an element without content.
    pub(super) fn empty(&mut self, name: &str) -> &mut Self {
        self.event(Event::Empty(BytesStart::new(name)));
        self
    }

    /// Writes an element with attributes and without content.
    pub(super) fn empty_with(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        let element = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.event(Event::Empty(element));
        self
    }

    /// Writes an element with text, escaped.
    pub(super) fn leaf(&mut self, name: &str, text: &str) -> &mut Self {
        self.element(name, |document| document.text(text))
    }

    /// Writes text, escaped. What XML cannot carry at all becomes U+FFFD.
    pub(super) fn text(&mut self, text: &str) {
        self.event(Event::Text(BytesText::from_escaped(escaped(text))));
    }

    /// Closes the root element.
    pub(super) fn finish(mut self, root: &str) -> Vec<u8> {
        self.event(Event::End(BytesEnd::new(root)));
        self.0.into_inner()
    }

    fn event(&mut self, event: Event<'_>) {
        // Writing to memory cannot fail.
        drop(self.0.write_event(event));
    }
}

/// Text that reads as it is again, whoever parses it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Bare, it would be read as a line feed (XML 1.0 §2.11).
            '\r' => escaped.push_str("&#13;"),
            // One of the others would make the whole document unreadable (§2.2).
            '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'.. => escaped.push(character),
            _ => escaped.push(char::REPLACEMENT_CHARACTER),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_found_is_kept() {
        let responses = multistatus(
            r#"<?xml version="1.0"?>
            <x:multistatus xmlns:x="DAV:" xmlns:oc="http://owncloud.org/ns"><x:response>
              <x:href>/remote.php/dav/files/alice/a%20b&amp;c</x:href>
              <x:propstat><x:prop>
                <x:getetag>&quot;abc&quot;</x:getetag><x:resourcetype><x:collection/></x:resourcetype>
                <oc:fileid>7</oc:fileid><x:displayname>&#228; &lt;b&gt;</x:displayname>
              </x:prop><x:status>HTTP/1.1 200 OK</x:status></x:propstat>
              <x:propstat><x:prop><x:getcontentlength/></x:prop><x:status>HTTP/1.1 404 Not Found</x:status></x:propstat>
            </x:response></x:multistatus>"#,
        )
        .expect("multistatus");
        let [response] = responses.as_slice() else {
            panic!("{responses:?}")
        };
        assert_eq!(response.href, "/remote.php/dav/files/alice/a%20b&c");
        assert_eq!(response.text(DAV, "getetag"), Some("\"abc\""));
        assert_eq!(response.text(DAV, "displayname"), Some("ä <b>"));
        assert_eq!(response.text(OWNCLOUD, "fileid"), Some("7"));
        assert_eq!(response.text(DAV, "fileid"), None);
        assert_eq!(response.property(DAV, "getcontentlength"), None);
        let kind = response.property(DAV, "resourcetype").expect("found");
        assert_eq!(kind.children, ["collection"]);
    }

    #[test]
    fn a_property_named_like_the_structure_is_still_a_property() {
        let responses = multistatus(
            r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/x</d:href><d:propstat>
            <d:prop><d:status>odd</d:status><d:href>odd</d:href></d:prop>
            <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#,
        )
        .expect("multistatus");
        assert_eq!(responses[0].href, "/x");
        assert_eq!(responses[0].text(DAV, "status"), Some("odd"));
    }

    #[test]
    fn what_is_no_multistatus_is_refused() {
        for text in [
            "",
            "<html/>",
            "<multistatus/>",
            r#"<d:multistatus xmlns:d="DAV:"><d:response>"#,
            r#"<d:multistatus xmlns:d="DAV:">&nope;</d:multistatus>"#,
        ] {
            assert!(multistatus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn attributes_called_name_are_kept_and_written_ones_are_escaped() {
        let mut document = Document::with_namespaces("d:x", &[("xmlns:d", DAV)]);
        document.element_with("d:comp", &[("name", "a\"<&b")], |inner| {
            inner.empty_with("d:y", &[("name", "c")]);
        });
        let xml = String::from_utf8(document.finish("d:x")).expect("utf-8");
        let responses = multistatus(&format!(
            r#"<d:multistatus xmlns:d="DAV:"><d:response><d:href>/x</d:href><d:propstat><d:prop>
            <d:set>{xml}</d:set></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
            </d:response></d:multistatus>"#
        ))
        .expect("multistatus");
        let set = responses[0].property(DAV, "set").expect("found");
        assert_eq!(set.names, ["a\"<&b", "c"]);
    }

    #[test]
    fn text_is_escaped() {
        let mut document = Document::new("d:x");
        document.leaf("d:literal", "a<b>&\"c\"\r\n\0\u{fffe}\u{7f}😀");
        let xml = String::from_utf8(document.finish("d:x")).expect("utf-8");
        let wanted = "<d:literal>a&lt;b&gt;&amp;\"c\"&#13;\n\u{fffd}\u{fffd}\u{7f}😀</d:literal>";
        assert!(xml.contains(wanted), "{xml}");
    }
}
