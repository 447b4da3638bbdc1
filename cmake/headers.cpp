// Nothing: what counts are the headers that CMake precompiles with it (folder.cmake).
