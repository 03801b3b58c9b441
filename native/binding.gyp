{
  "targets": [
    {
      "target_name": "xattr_native",
      "sources": [
        "src/addon.c",
        "src/attributes.c",
        "src/checksum.c",
        "src/command.c",
        "src/copy.c",
        "src/crc32c.c",
        "src/digest.c",
        "src/errors.c",
        "src/file.c",
        "src/finish.c",
        "src/inflate.c",
        "src/inflate_isal.c",
        "src/inflate_zlib.c",
        "src/leaf.c",
        "src/links.c",
        "src/lock.c",
        "src/memory.c",
        "src/parent_cache.c",
        "src/parents.c",
        "src/plain.c",
        "src/records.c",
        "src/remove.c",
        "src/sidecar.c",
        "src/spelling.c",
        "src/spill.c",
        "src/walk.c",
        "src/writer.c",
        "src/xattr.c"
      ],
      "cflags": [
        "-std=gnu11",
        "-O2",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Wstrict-prototypes",
        "-Wvla",
        "-Wformat=2"
      ],
      "defines": ["NAPI_VERSION=9", "_GNU_SOURCE", "_FILE_OFFSET_BITS=64"]
    }
  ]
}
