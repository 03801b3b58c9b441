{
  "targets": [
    {
      "target_name": "xattr_native",
      "sources": ["src/addon.c"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "defines": ["NAPI_VERSION=9", "_GNU_SOURCE"]
    }
  ]
}
