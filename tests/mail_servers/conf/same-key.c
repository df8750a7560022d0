/* OpenSMTPD marks a key as held by another process, and expects the mark to stay on the key that it
 * was taken from. OpenSSL 3 gives out a copy; put back, it is the key again. OpenSMTPD 7.3 does that
 * by itself. */
#define _GNU_SOURCE
#include <dlfcn.h>

#define SAME_KEY(kind)                                                                             \
    void *EVP_PKEY_get1_##kind(void *pkey) {                                                       \
        void *(*get)(void *) = (void *(*)(void *))dlsym(RTLD_NEXT, "EVP_PKEY_get1_" #kind);        \
        int (*set)(void *, void *) =                                                               \
            (int (*)(void *, void *))dlsym(RTLD_DEFAULT, "EVP_PKEY_set1_" #kind);                  \
        void *key = get(pkey);                                                                     \
        if (key)                                                                                   \
            set(pkey, key);                                                                        \
        return key;                                                                                \
    }

SAME_KEY(RSA)
SAME_KEY(EC_KEY)
