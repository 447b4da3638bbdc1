// For tests: whether a document of ours validates against the schemas of docs/schema: RFC 7865's,
// and that of our own elements in it.
#pragma once

#include <gtest/gtest.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string>

namespace earshot::siprec {

inline void collect_fault(void* into, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char line[512];
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    static_cast<std::string*>(into)->append(line);
}

// What the schema has against it; empty: nothing.
inline std::string find_schema_fault(const std::string& document) {
    static const std::unique_ptr<xmlSchema, void (*)(xmlSchemaPtr)> schema{
        [] {
            const std::string path =
                std::string{EARSHOT_TEST_DATA} + "/../../docs/schema/recording.xsd";
            xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(path.c_str());
            xmlSchemaPtr made = xmlSchemaParse(parser);
            xmlSchemaFreeParserCtxt(parser);
            return made;
        }(),
        xmlSchemaFree};
    if (schema == nullptr) return "The schema cannot be read.";
    std::string faults;
    const std::unique_ptr<xmlDoc, void (*)(xmlDocPtr)> tree{
        xmlReadMemory(document.data(), static_cast<int>(document.size()), "sent.xml", nullptr,
                      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING),
        xmlFreeDoc};
    if (tree == nullptr) return "The document is not well-formed.";
    const std::unique_ptr<xmlSchemaValidCtxt, void (*)(xmlSchemaValidCtxtPtr)> context{
        xmlSchemaNewValidCtxt(schema.get()), xmlSchemaFreeValidCtxt};
    xmlSchemaSetValidErrors(context.get(), collect_fault, collect_fault, &faults);
    const int result = xmlSchemaValidateDoc(context.get(), tree.get());
    if (result != 0 && faults.empty()) faults = "The document does not validate.";
    return faults;
}

}  // namespace earshot::siprec
