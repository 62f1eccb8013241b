/* What is started in every race: nothing. */
int main(void) { return 0; }
