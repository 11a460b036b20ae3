#!/bin/sh
# make-pdfs.sh DIR COUNT [WORD]: writes COUNT small, valid, distinct PDFs (a heading and two paragraphs, Helvetica) into DIR
# as WORD-0001.pdf and so on. Plain awk: no tool beyond POSIX, so that a test's documents never depend on a renderer.
set -eu
dir=$1 count=$2 word=${3:-page}
mkdir -p "$dir"
awk -v dir="$dir" -v count="$count" -v word="$word" '
function add(text) { body = body text }
function object(n, text) { at[n] = length(body); add(n " 0 obj\n" text "\nendobj\n") }
BEGIN {
    for (i = 1; i <= count; i++) {
        body = "%PDF-1.4\n"
        content = "BT /F1 20 Tf 72 720 Td (Document " i " of " word ") Tj ET\n" \
            "BT /F2 11 Tf 72 680 Td (This is the first paragraph of document " i ", set in a plain face.) Tj ET\n" \
            "BT /F2 11 Tf 72 666 Td (It goes on for a second line that belongs to the same paragraph.) Tj ET\n" \
            "BT /F2 11 Tf 72 630 Td (The second paragraph says that the number is " i * 7919 ".) Tj ET\n"
        object(1, "<< /Type /Catalog /Pages 2 0 R >>")
        object(2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
        object(3, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R " \
            "/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>")
        object(4, "<< /Length " length(content) " >>\nstream\n" content "endstream")
        object(5, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>")
        object(6, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        xref = length(body)
        add("xref\n0 7\n0000000000 65535 f \n")
        for (n = 1; n <= 6; n++)
            add(sprintf("%010d 00000 n \n", at[n]))
        add("trailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n" xref "\n%%EOF\n")
        file = sprintf("%s/%s-%04d.pdf", dir, word, i)
        printf "%s", body > file
        close(file)
    }
}'
