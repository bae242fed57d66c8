/* Slots for a category's short labels: a hash by which kernels look eight of them up at once. */
#ifndef POPSTRAT_LABELS_H
#define POPSTRAT_LABELS_H

#include "program/run.h"

/* Find a multiplier that keeps words apart in so many slots, and put them there; whether there is one. */
static int popstrat_labels_placed(popstrat_labels *labels, const uint64_t *word, const uint16_t *about, int many, int slots) {
    const int beyond = slots == LABEL_FEW ? 60 : 59;
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    for (int tries = 0; many <= slots && tries < LABEL_TRIES; tries++) {
        uint32_t taken = 0;
        int placed = 0;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const uint64_t multiplier = random | 1;
        for (; placed < many; placed++) {
            const uint32_t slot = UINT32_C(1) << (word[placed] * multiplier >> beyond);
            if (taken & slot) break;
            taken |= slot;
        }
        if (placed < many) continue;
        /* what is free holds the word of no text, which is at home in the first slot, so that none is found there */
        for (int k = 0; k < LABEL_SLOTS; k++) labels->word[k] = 0, labels->about[k] = 0xff00; /* no length */
        for (int k = 0; k < many; k++) {
            labels->word[word[k] * multiplier >> beyond] = word[k];
            labels->about[word[k] * multiplier >> beyond] = about[k];
        }
        labels->multiplier = multiplier;
        labels->few = slots == LABEL_FEW;
        return 1;
    }
    return 0;
}

/* Find slots for the short labels, and for no text at all. */
static void popstrat_labels_slots(popstrat_labels *labels) {
    uint64_t word[LABEL_SLOTS] = {0};
    uint16_t about[LABEL_SLOTS] = {CODE_NULL};
    int many = 1;
    labels->multiplier = 0;
    for (int64_t k = 0; k < labels->count; k++) {
        const uint8_t *text = labels->text[k];
        if (labels->length[k] == 0 || labels->length[k] > 8 || memchr(text, 0, labels->length[k]) != NULL) continue;
        if (text[0] == ' ' || text[labels->length[k] - 1] == ' ') continue; /* text is matched without the spaces around it */
        if (many == LABEL_SLOTS) return;
        memcpy(&word[many], text, labels->length[k]);
        about[many++] = (uint16_t)(labels->length[k] << 8 | labels->code[k]);
    }
    if (!popstrat_labels_placed(labels, word, about, many, LABEL_FEW)) popstrat_labels_placed(labels, word, about, many, LABEL_SLOTS);
}

#endif
