// Nothing: what counts are the headers that CMake precompiles with it (cmake/folder.cmake).
