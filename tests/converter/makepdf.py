#!/usr/bin/env python3
"""makepdf.py SPEC OUT.pdf: makes a PDF from a description, for the tests of pdf2md.

A description has one thing a line; y counts down from the top, in points:
  page W H [ROTATE]           begins a page
  font NAME SIZE              one of the 14 standard fonts
  text X Y WORDS...           in the font; Y is the baseline
  para X Y WIDTH LEADING WORDS...   lines broken greedily (about half an em a character)
  utext X Y WORDS...          any Unicode text, in a font that is not embedded, with a ToUnicode map
  rtext X Y WORDS...          the same, each word's letters in visual order from right to left
  vtext X Y WORDS...          the same, from top to bottom (writing mode 1); X is the middle
  hidden X Y WORDS...         text mode 3
  side X Y WORDS...           text that runs upwards
  rule X0 Y0 X1 Y1 [WIDTH]    a line
  box X0 Y0 X1 Y1 [GRAY]      a filled rectangle
  frame X0 Y0 X1 Y1           a rectangle drawn as a line
  image X Y W H               a raw picture of 16 x 16 samples
  jpeg X Y W H FILE           a JPEG file
  field X0 Y0 X1 Y1 VALUE     a filled text field of a form
  mark TAG [LEVEL]            what follows is of a structure element (P, H1, L, ...); `mark` alone ends it
  link X0 Y0 X1 Y1 URI        a link; a URI of the form page:N leads to page N
  outline LEVEL TITLE...      an outline entry for this page
  title WORDS / author WORDS / lang CODE / label PREFIX STYLE START
"""
import re
import struct
import sys
import zlib


class Pdf:
    def __init__(self):
        self.objects = []

    def add(self, body):
        self.objects.append(body if isinstance(body, bytes) else body.encode("latin-1"))
        return len(self.objects)

    def set(self, number, body):
        self.objects[number - 1] = body.encode("latin-1")

    def stream(self, data, extra=""):
        return self.add(b"<< /Length %d %s >>\nstream\n" % (len(data), extra.encode()) + data + b"\nendstream")

    def write(self, path, root, info):
        out = bytearray(b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n")
        places = []
        for i, body in enumerate(self.objects):
            places.append(len(out))
            out += b"%d 0 obj\n" % (i + 1) + body + b"\nendobj\n"
        xref = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        for p in places:
            out += b"%010d 00000 n \n" % p
        out += b"trailer << /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
            len(places) + 1, root, info, xref)
        with open(path, "wb") as f:
            f.write(out)


def literal(text):
    data = text.encode("cp1252", "replace")
    return "(" + "".join("\\%03o" % b if b < 32 or b > 126 or chr(b) in "()\\" else chr(b) for b in data) + ")"


def hexed(text):
    return "<" + text.encode("utf-16-be").hex() + ">"


def jpeg_size(data):
    at = 2
    while at < len(data):
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        if 0xC0 <= marker <= 0xC3:
            h, w = struct.unpack(">HH", data[at + 5:at + 9])
            return w, h, data[at + 9]
        at += 2 + length
    raise ValueError("not a JPEG")


def unicode_font(pdf, vertical=False):
    """One font for all of the BMP: codes are UTF-16 values, so the map is the identity."""
    ranges = "".join("<%02x00> <%02xff> <%02x00>\n" % (h, h, h) for h in range(256))
    parts = ranges.splitlines(keepends=True)
    cmap = ("/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /U def /CMapType 2 def\n"
            "1 begincodespacerange <0000> <ffff> endcodespacerange\n")
    for i in range(0, len(parts), 100):
        chunk = parts[i:i + 100]
        cmap += "%d beginbfrange\n%sendbfrange\n" % (len(chunk), "".join(chunk))
    cmap += "endcmap CMapName currentdict /CMap defineresource pop end end\n"
    to_unicode = pdf.stream(cmap.encode())
    desc = pdf.add("<< /Type /FontDescriptor /FontName /Tester /Flags 4 /FontBBox [0 -200 1000 900] "
                   "/ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>")
    cid = pdf.add("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Tester /DW 600 "
                  "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
                  "/FontDescriptor %d 0 R >>" % desc)
    return pdf.add("<< /Type /Font /Subtype /Type0 /BaseFont /Tester /Encoding /Identity-%s "
                   "/DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>" % ("V" if vertical else "H", cid, to_unicode))


def main():
    spec, out = sys.argv[1], sys.argv[2]
    pdf = Pdf()
    catalog, pages_obj, info = pdf.add(""), pdf.add(""), pdf.add("")
    pages, fonts, outline = [], {}, []
    meta, lang, labels = {}, None, []
    unicode_obj = vertical_obj = None
    fields, marks, mark = [], [], None
    page = None
    font, size = "Helvetica", 12.0

    def finish():
        if page is None:
            return
        content = pdf.stream("\n".join(page["ops"]).encode("latin-1"))
        annots = []
        for x0, y0, x1, y1, uri in page["links"]:
            rect = "[%g %g %g %g]" % (x0, page["h"] - y1, x1, page["h"] - y0)
            if uri.startswith("page:"):
                page["later"].append((len(annots), int(uri[5:]), rect))
                annots.append(pdf.add(""))
            else:
                annots.append(pdf.add("<< /Type /Annot /Subtype /Link /Rect %s /A << /S /URI /URI %s >> >>" %
                                      (rect, literal(uri))))
        page["annots"] = annots
        names = "".join("/%s %d 0 R " % (n, o) for n, o in page["xobjects"])
        used = "".join("/F%d %d 0 R " % (i, o) for i, o in fonts.values())
        if unicode_obj:
            used += "/U %d 0 R " % unicode_obj
        if vertical_obj:
            used += "/V %d 0 R " % vertical_obj
        for x0, y0, x1, y1, value in page["fields"]:
            look = pdf.stream(b"/Tx BMC BT /FH 10 Tf 2 4 Td %s Tj ET EMC" % literal(value).encode(),
                              "/Type /XObject /Subtype /Form /BBox [0 0 %g %g] /Resources << /Font << /FH << /Type /Font "
                              "/Subtype /Type1 /BaseFont /Helvetica >> >> >>" % (x1 - x0, y1 - y0))
            fields.append(pdf.add("<< /Type /Annot /Subtype /Widget /FT /Tx /T (field%d) /V %s /F 4 /Rect [%g %g %g %g] "
                                  "/AP << /N %d 0 R >> >>" % (len(fields), literal(value), x0, page["h"] - y1, x1,
                                                              page["h"] - y0, look)))
            annots.append(fields[-1])
        pdf.set(page["obj"], "<< /Type /Page /StructParents 0 /Parent %d 0 R /MediaBox [0 0 %g %g] /Rotate %d /Contents %d 0 R "
                "/Annots [%s] /Resources << /Font << %s >> /XObject << %s >> >> >>" %
                (pages_obj, page["w"], page["h"], page["rotate"], content,
                 " ".join("%d 0 R" % a for a in annots), used, names))

    def show(x, y, text, matrix="1 0 0 1", mode=0):
        if font not in fonts:
            fonts[font] = (len(fonts), pdf.add("<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding "
                                               "/WinAnsiEncoding >>" % font if font not in ("Symbol", "ZapfDingbats")
                                               else "<< /Type /Font /Subtype /Type1 /BaseFont /%s >>" % font))
        page["ops"].append("BT /F%d %g Tf %d Tr %s %g %g Tm %s Tj ET" %
                           (fonts[font][0], size, mode, matrix, x, page["h"] - y, literal(text)))

    for raw in open(spec, encoding="utf-8"):
        raw = raw.rstrip("\n")
        if not raw or raw.startswith("#"):
            continue
        word, _, rest = raw.partition(" ")
        arg = rest.split()
        if word == "page":
            finish()
            page = {"w": float(arg[0]), "h": float(arg[1]), "rotate": int(arg[2]) if len(arg) > 2 else 0,
                    "ops": [], "links": [], "later": [], "fields": [], "xobjects": [], "obj": pdf.add("")}
            pages.append(page)
        elif word == "font":
            font, size = arg[0], float(arg[1])
        elif word in ("text", "hidden", "side"):
            x, y, text = rest.split(" ", 2)
            show(float(x), float(y), text, "0 1 -1 0" if word == "side" else "1 0 0 1", 3 if word == "hidden" else 0)
        elif word == "para":
            x, y, width, leading, text = rest.split(" ", 4)
            y, line = float(y), ""
            for w in text.split():
                if line and len(line) + 1 + len(w) > float(width) / (0.5 * size):
                    show(float(x), y, line)
                    y, line = y + float(leading), w
                else:
                    line = (line + " " + w).strip()
            show(float(x), y, line)
        elif word in ("utext", "rtext"):
            x, y, text = rest.split(" ", 2)
            if unicode_obj is None:
                unicode_obj = unicode_font(pdf)
            if word == "rtext":  # numbers run left to right all the same
                text = re.sub(r"[0-9]([0-9.,]*[0-9])?", lambda m: m.group()[::-1], text)[::-1]
            page["ops"].append("BT /U %g Tf 0 Tr 1 0 0 1 %g %g Tm %s Tj ET" %
                               (size, float(x), page["h"] - float(y), hexed(text)))
        elif word == "vtext":
            x, y, text = rest.split(" ", 2)
            if vertical_obj is None:
                vertical_obj = unicode_font(pdf, vertical=True)
            page["ops"].append("BT /V %g Tf 0 Tr 1 0 0 1 %g %g Tm %s Tj ET" %
                               (size, float(x), page["h"] - float(y), hexed(text)))
        elif word == "field":
            x0, y0, x1, y1, value = rest.split(" ", 4)
            page["fields"].append((float(x0), float(y0), float(x1), float(y1), value))
        elif word == "mark":
            if mark is not None:
                page["ops"].append("EMC")
            mark = arg[0] if arg else None
            if mark is not None:
                page["ops"].append("/%s << /MCID %d >> BDC" % (mark, len(marks)))
                marks.append((mark, page))
        elif word == "rule":
            v = [float(a) for a in arg]
            page["ops"].append("%g w %g %g m %g %g l S" % (v[4] if len(v) > 4 else 0.7, v[0], page["h"] - v[1],
                                                          v[2], page["h"] - v[3]))
        elif word in ("box", "frame"):
            v = [float(a) for a in arg]
            page["ops"].append("q %g g %g %g %g %g re %s Q" % (v[4] if len(v) > 4 else 0.8, v[0], page["h"] - v[3],
                                                              v[2] - v[0], v[3] - v[1],
                                                              "f" if word == "box" else "S"))
        elif word in ("image", "jpeg"):
            x, y, w, h = (float(a) for a in arg[:4])
            if word == "jpeg":
                data = open(arg[4], "rb").read()
                iw, ih, n = jpeg_size(data)
                extra = "/Filter /DCTDecode /ColorSpace /Device%s /Width %d /Height %d" % (
                    "Gray" if n == 1 else "RGB", iw, ih)
            else:
                data = zlib.compress(bytes((r * 16 + c * 5 + len(pages)) % 256 for r in range(16) for c in range(16)))
                extra = "/Filter /FlateDecode /ColorSpace /DeviceGray /Width 16 /Height 16"
            obj = pdf.stream(data, "/Type /XObject /Subtype /Image /BitsPerComponent 8 " + extra)
            name = "I%d" % obj
            page["xobjects"].append((name, obj))
            page["ops"].append("q %g 0 0 %g %g %g cm /%s Do Q" % (w, h, x, page["h"] - y - h, name))
        elif word == "link":
            page["links"].append(tuple(float(a) for a in arg[:4]) + (arg[4],))
        elif word == "outline":
            level, title = rest.split(" ", 1)
            outline.append((int(level), title, page))
        elif word in ("title", "author"):
            meta[word.capitalize()] = rest
        elif word == "lang":
            lang = rest
        elif word == "label":
            labels.append((len(pages) - 1, arg[0], arg[1], int(arg[2])))
        else:
            sys.exit("%s: unknown word %r" % (spec, word))
    finish()
    for p in pages:
        for index, target, rect in p["later"]:
            to = pages[target - 1]
            pdf.set(p["annots"][index], "<< /Type /Annot /Subtype /Link /Rect %s /Dest [%d 0 R /XYZ 0 %g 0] >>" %
                    (rect, to["obj"], to["h"]))
    extra = ""
    if outline:
        root = pdf.add("")
        items = [{"obj": pdf.add(""), "level": l, "title": t, "page": p, "kids": []} for l, t, p in outline]
        top = {"obj": root, "kids": []}
        stack = [(0, top)]
        for item in items:
            while stack[-1][0] >= item["level"]:
                stack.pop()
            item["parent"] = stack[-1][1]
            stack[-1][1]["kids"].append(item)
            stack.append((item["level"], item))
        for item in items:
            kin = item["parent"]["kids"]
            at = kin.index(item)
            links = "/Parent %d 0 R" % item["parent"]["obj"]
            if at > 0:
                links += " /Prev %d 0 R" % kin[at - 1]["obj"]
            if at + 1 < len(kin):
                links += " /Next %d 0 R" % kin[at + 1]["obj"]
            if item["kids"]:
                links += " /First %d 0 R /Last %d 0 R /Count %d" % (item["kids"][0]["obj"], item["kids"][-1]["obj"],
                                                                    len(item["kids"]))
            pdf.set(item["obj"], "<< /Title %s %s /Dest [%d 0 R /XYZ 0 %g 0] >>" %
                    (literal(item["title"]), links, item["page"]["obj"], item["page"]["h"]))
        pdf.set(root, "<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>" %
                (top["kids"][0]["obj"], top["kids"][-1]["obj"], len(top["kids"])))
        extra += " /Outlines %d 0 R" % root
    if labels:
        extra += " /PageLabels << /Nums [%s] >>" % " ".join(
            "%d << /S /%s /P %s /St %d >>" % (first, style, literal(prefix.replace("-", "")), start)
            for first, prefix, style, start in labels)
    if fields:
        extra += " /AcroForm << /Fields [%s] >>" % " ".join("%d 0 R" % f for f in fields)
    if marks:
        root, body = pdf.add(""), pdf.add("")
        kids = [pdf.add("<< /Type /StructElem /S /%s /P %d 0 R /Pg %d 0 R /K %d >>" % (tag, body, p["obj"], i))
                for i, (tag, p) in enumerate(marks)]
        refs = " ".join("%d 0 R" % k for k in kids)
        pdf.set(body, "<< /Type /StructElem /S /Document /P %d 0 R /K [%s] >>" % (root, refs))
        pdf.set(root, "<< /Type /StructTreeRoot /K %d 0 R /ParentTree << /Nums [0 [%s]] >> >>" % (body, refs))
        extra += " /StructTreeRoot %d 0 R /MarkInfo << /Marked true >>" % root
    if lang:
        extra += " /Lang (%s)" % lang
    pdf.set(catalog, "<< /Type /Catalog /Pages %d 0 R%s >>" % (pages_obj, extra))
    pdf.set(pages_obj, "<< /Type /Pages /Count %d /Kids [%s] >>" %
            (len(pages), " ".join("%d 0 R" % p["obj"] for p in pages)))
    pdf.set(info, "<< %s >>" % " ".join("/%s %s" % (k, literal(v)) for k, v in meta.items()))
    pdf.write(out, catalog, info)


if __name__ == "__main__":
    main()
